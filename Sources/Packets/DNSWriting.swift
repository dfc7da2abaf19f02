extension DNSMessage {
  /// The message as bytes, names compressed. If it is longer than `limit` bytes, whole records are left out from the
  /// end and TC is set (RFC 2181 9); an OPT record stays. Nothing above 65,535 bytes is ever made.
  public func encoded(limit: Int = 65_535) -> [UInt8] {
    var writer = DNSWriter(limit: Swift.max(12, Swift.min(limit, 65_535)))
    writer.bytes = [UInt8](repeating: 0, count: 12)
    var isCut = false
    var counts: [UInt16] = [0, 0, 0, 0]
    // What must stay comes last, but its room is set aside first.
    let option = additionals.first { $0.type == .opt }
    var optionWriter = DNSWriter(limit: 65_535)
    if let option, optionWriter.append(option), optionWriter.bytes.count <= writer.limit - 12 {
      writer.limit -= optionWriter.bytes.count
    } else {
      optionWriter.bytes = []
    }
    for question in questions where !isCut && counts[0] < .max {
      if writer.append(question) { counts[0] += 1 } else { isCut = true }
    }
    for (index, section) in [answers, authorities, additionals].enumerated() {
      for record in section where !isCut && counts[index + 1] < .max && record != option {
        if writer.append(record) { counts[index + 1] += 1 } else { isCut = true }
      }
    }
    if !optionWriter.bytes.isEmpty {
      writer.bytes += optionWriter.bytes
      counts[3] += 1
    }
    var flags = UInt16(responseCode.rawValue) | UInt16(operationCode & 15) << 11
    if isResponse { flags |= 0x8000 }
    if isAuthoritative { flags |= 0x400 }
    if isTruncated || isCut { flags |= 0x200 }
    if recursionDesired { flags |= 0x100 }
    if recursionAvailable { flags |= 0x80 }
    if isAuthenticData { flags |= 0x20 }
    if checkingDisabled { flags |= 0x10 }
    let header = [identifier, flags] + counts
    writer.bytes.replaceSubrange(0..<12, with: header.flatMap { bigEndianBytes($0) })
    return writer.bytes
  }
}

/// Collects a DNS message; each append is whole or not at all.
struct DNSWriter {
  var bytes: [UInt8] = []
  var limit: Int
  /// Where names that were written begin, for compression.
  private var places: [DNSName: UInt16] = [:]

  init(limit: Int) { self.limit = limit }

  mutating func append(_ question: DNSQuestion) -> Bool {
    whole { writer in
      writer.put(question.name)
      writer.put(question.type.rawValue)
      writer.put(question.classCode)
    }
  }

  mutating func append(_ record: DNSRecord) -> Bool {
    whole { writer in
      writer.put(record.name)
      writer.put(record.type.rawValue)
      writer.put(record.classCode)
      writer.put(record.timeToLive)
      let lengthAt = writer.bytes.count
      writer.put(UInt16(0))
      writer.put(record.data)
      // A longer body cannot pass the limit, so that the cut number is never seen.
      let length = UInt16(truncatingIfNeeded: writer.bytes.count - lengthAt - 2)
      writer.bytes.replaceSubrange(lengthAt..<(lengthAt + 2), with: bigEndianBytes(length))
    }
  }

  private mutating func whole(_ body: (inout DNSWriter) -> Void) -> Bool {
    let start = bytes.count
    body(&self)
    if bytes.count <= limit { return true }
    bytes.removeSubrange(start...)
    places = places.filter { $0.value < start }
    return false
  }

  private mutating func put(_ number: some FixedWidthInteger) { bytes += bigEndianBytes(number) }

  /// A name, with a pointer in place of the longest tail that was written before.
  private mutating func put(_ name: DNSName) {
    var labels = name.labels[...]
    while !labels.isEmpty, let rest = DNSName(labels: [[UInt8]](labels)) {
      if let place = places[rest] {
        put(0xC000 | place)
        return
      }
      if bytes.count < 0x4000 { places[rest] = UInt16(bytes.count) }
      let label = labels.removeFirst()
      bytes.append(UInt8(label.count))
      bytes += label
    }
    bytes.append(0)
  }

  private mutating func put(_ data: DNSRecord.Content) {
    switch data {
    case .a(let address): put(address.rawValue)
    case .aaaa(let address):
      put(address.high)
      put(address.low)
    case .ns(let name), .cname(let name), .ptr(let name): put(name)
    case .mx(let preference, let exchange):
      put(preference)
      put(exchange)
    case .txt(let strings):
      for string in strings {
        bytes.append(UInt8(Swift.min(string.count, 255)))
        bytes += string.prefix(255)
      }
    case .srv(let priority, let weight, let port, let target):
      put(priority)
      put(weight)
      put(port)
      // Never compressed (RFC 2782).
      bytes += target.wire
    case .soa(let authority):
      put(authority.primary)
      put(authority.mailbox)
      for number in [authority.serial, authority.refresh, authority.retry, authority.expire, authority.minimum] {
        put(number)
      }
    case .other(let octets): bytes += octets
    }
  }
}
