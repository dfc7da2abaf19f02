import CSlirp
import Glibc
import Packets

/// From ``SlirpSettings`` to libslirp's `SlirpConfig`.
extension SlirpSettings {
  func validate() throws(SlirpError) {
    func check(_ holds: Bool, _ name: String, _ value: String, _ accepted: String) throws(SlirpError) {
      if !holds { throw .invalidSetting(name: name, value: value, accepted: accepted) }
    }
    try check((68...65521).contains(mtu), "mtu", "\(mtu)", "68 to 65521 bytes")
    try check(
      network.prefixLength >= 8 && network.prefixLength <= 30, "network", "\(network)", "a prefix of 8 to 30 bits")
    for (name, address) in [("host", host), ("first lease", firstLease), ("name server", nameServer)] {
      try check(network.contains(address), name, "\(address)", "an address of \(network)")
    }
    try check(host != nameServer && host != firstLease, "host", "\(host)", "an address of its own")
    try check((0...126).contains(prefix6Length), "IPv6 prefix length", "\(prefix6Length)", "0 to 126")
    try check(isIPv4Enabled || isIPv6Enabled, "network", "none", "IPv4, IPv6 or both")
    try check(pauseFrames >= 1 && dropFrames >= pauseFrames, "queue", "\(dropFrames)", "at least the pause limit")
    try check(bootFile.map { $0.utf8.count < 128 } ?? true, "boot file", bootFile ?? "", "at most 127 bytes")
    if let tftpFolder {
      var status = stat()
      let isFolder = stat(tftpFolder, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
      try check(isFolder, "TFTP folder", tftpFolder, "an existing folder")
    }
  }

  func defaultGuest(for forward: PortForward) -> IPAddress {
    if forward.hostAddress.isIPv4 { return IPAddress(firstLease) }
    // libslirp's IPv6 guests choose their own address; it takes the prefix's 0x15 if none is named.
    return IPAddress(high: prefix6.high, low: prefix6.low | 0x15)
  }

  /// Calls `body` with the configuration; libslirp copies what it needs of it.
  func withConfiguration<T>(_ body: (UnsafePointer<SlirpConfig>) -> T) -> T {
    var texts: [UnsafeMutablePointer<CChar>] = []
    defer { for text in texts { free(text) } }
    func text(_ string: String?) -> UnsafePointer<CChar>? {
      guard let string, let copy = strdup(string) else { return nil }
      texts.append(copy)
      return UnsafePointer(copy)
    }
    let configuration = UnsafeMutablePointer<SlirpConfig>.allocate(capacity: 1)
    configuration.initialize(to: SlirpConfig())
    defer { configuration.deallocate() }
    // Version 4 (libslirp 4.7) is the newest whose fields and callbacks are set here.
    configuration.pointee.version = min(4, UInt32(SLIRP_CONFIG_VERSION_MAX))
    configuration.pointee.restricted = isRestricted ? 1 : 0
    configuration.pointee.in_enabled = isIPv4Enabled
    configuration.pointee.vnetwork = network.network.networkOrder
    configuration.pointee.vnetmask = network.mask.networkOrder
    configuration.pointee.vhost = host.networkOrder
    configuration.pointee.vdhcp_start = firstLease.networkOrder
    configuration.pointee.vnameserver = nameServer.networkOrder
    configuration.pointee.in6_enabled = isIPv6Enabled
    configuration.pointee.vprefix_addr6 = prefix6.networkOrder
    configuration.pointee.vprefix_len = UInt8(prefix6Length)
    configuration.pointee.vhost6 = host6.networkOrder
    configuration.pointee.vnameserver6 = nameServer6.networkOrder
    configuration.pointee.vhostname = text(hostName)
    configuration.pointee.tftp_server_name = text(tftpServerName)
    configuration.pointee.tftp_path = text(tftpFolder)
    configuration.pointee.bootfile = text(bootFile)
    configuration.pointee.vdomainname = text(domain)
    configuration.pointee.if_mtu = mtu
    configuration.pointee.if_mru = mtu
    var search = searchDomains.map { text($0) } + [nil]
    return search.withUnsafeMutableBufferPointer { list in
      if !searchDomains.isEmpty { configuration.pointee.vdnssearch = list.baseAddress }
      return body(configuration)
    }
  }
}

extension IPv4Address {
  var networkOrder: in_addr { in_addr(s_addr: rawValue.bigEndian) }
}

extension IPv6Address {
  var networkOrder: in6_addr {
    var address = in6_addr()
    withUnsafeMutableBytes(of: &address) { bytes in
      bytes.storeBytes(of: high.bigEndian, toByteOffset: 0, as: UInt64.self)
      bytes.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
    }
    return address
  }
}

/// Calls `body` with an address and port as a `sockaddr` of its family.
func withSocketAddress<T>(
  _ address: IPAddress, _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> T
) -> T {
  func call<A>(_ value: A) -> T {
    withUnsafePointer(to: value) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<A>.size)) }
    }
  }
  if let address = address.v4 {
    var value = sockaddr_in()
    value.sin_family = sa_family_t(AF_INET)
    value.sin_port = port.bigEndian
    value.sin_addr = address.networkOrder
    return call(value)
  }
  var value = sockaddr_in6()
  value.sin6_family = sa_family_t(AF_INET6)
  value.sin6_port = port.bigEndian
  value.sin6_addr = IPv6Address(high: address.high, low: address.low).networkOrder
  return call(value)
}
