/// A DNS message (RFC 1035 4.1) as values.
public struct DNSMessage: Sendable, Equatable {
  /// ID
  public var identifier: UInt16
  /// QR
  public var isResponse: Bool
  /// OPCODE: 0 is a standard query.
  public var operationCode: UInt8
  /// AA
  public var isAuthoritative: Bool
  /// TC
  public var isTruncated: Bool
  /// RD
  public var recursionDesired: Bool
  /// RA
  public var recursionAvailable: Bool
  /// AD (RFC 4035 3.2.3)
  public var isAuthenticData: Bool
  /// CD (RFC 4035 3.2.2)
  public var checkingDisabled: Bool
  /// RCODE, the four bits of the header.
  public var responseCode: DNSResponseCode
  public var questions: [DNSQuestion]
  public var answers: [DNSRecord]
  public var authorities: [DNSRecord]
  /// With the OPT pseudo-record (RFC 6891), if there is one.
  public var additionals: [DNSRecord]

  public init(
    identifier: UInt16, isResponse: Bool = false, recursionDesired: Bool = true,
    responseCode: DNSResponseCode = .noError, questions: [DNSQuestion] = [], answers: [DNSRecord] = [],
    authorities: [DNSRecord] = [], additionals: [DNSRecord] = []
  ) {
    self.identifier = identifier
    self.isResponse = isResponse
    operationCode = 0
    isAuthoritative = false
    isTruncated = false
    self.recursionDesired = recursionDesired
    recursionAvailable = false
    isAuthenticData = false
    checkingDisabled = false
    self.responseCode = responseCode
    self.questions = questions
    self.answers = answers
    self.authorities = authorities
    self.additionals = additionals
  }

  /// A query with one question; with `udpPayloadSize`, an OPT record says how long an answer may be.
  public static func query(
    identifier: UInt16, name: DNSName, type: DNSRecordType, udpPayloadSize: UInt16? = nil
  ) -> DNSMessage {
    DNSMessage(
      identifier: identifier, questions: [DNSQuestion(name: name, type: type)],
      additionals: udpPayloadSize.map { [DNSRecord.option(udpPayloadSize: $0)] } ?? [])
  }

  /// A response that repeats identifier, questions and the wish for recursion of this query.
  public func response(
    _ answers: [DNSRecord] = [], code: DNSResponseCode = .noError, isAuthoritative: Bool = false
  ) -> DNSMessage {
    var message = DNSMessage(
      identifier: identifier, isResponse: true, recursionDesired: recursionDesired, responseCode: code,
      questions: questions, answers: answers)
    message.operationCode = operationCode
    message.recursionAvailable = true
    message.isAuthoritative = isAuthoritative
    return message
  }

  /// The largest UDP payload that the sender of this message takes (RFC 6891 6.2.3): at least 512 bytes.
  public var udpPayloadSize: Int {
    additionals.first { $0.type == .opt }.map { Swift.max(512, Int($0.classCode)) } ?? 512
  }
}

/// RCODE (RFC 1035 4.1.1). Open to values without a name.
public struct DNSResponseCode: RawRepresentable, Hashable, Sendable {
  public let rawValue: UInt8
  public init(rawValue: UInt8) { self.rawValue = rawValue & 15 }
  public static let noError = DNSResponseCode(rawValue: 0)
  public static let formatError = DNSResponseCode(rawValue: 1)
  public static let serverFailure = DNSResponseCode(rawValue: 2)
  /// NXDOMAIN: the name does not exist.
  public static let nameError = DNSResponseCode(rawValue: 3)
  public static let notImplemented = DNSResponseCode(rawValue: 4)
  public static let refused = DNSResponseCode(rawValue: 5)
}

/// The type of a record or question. Open to values without a name.
public struct DNSRecordType: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
  public let rawValue: UInt16
  public init(rawValue: UInt16) { self.rawValue = rawValue }
  public static let a = DNSRecordType(rawValue: 1)
  public static let ns = DNSRecordType(rawValue: 2)
  public static let cname = DNSRecordType(rawValue: 5)
  public static let soa = DNSRecordType(rawValue: 6)
  public static let ptr = DNSRecordType(rawValue: 12)
  public static let mx = DNSRecordType(rawValue: 15)
  public static let txt = DNSRecordType(rawValue: 16)
  public static let aaaa = DNSRecordType(rawValue: 28)
  public static let srv = DNSRecordType(rawValue: 33)
  public static let opt = DNSRecordType(rawValue: 41)
  public static let https = DNSRecordType(rawValue: 65)
  public static let any = DNSRecordType(rawValue: 255)

  public var description: String {
    switch self {
    case .a: "A"
    case .ns: "NS"
    case .cname: "CNAME"
    case .soa: "SOA"
    case .ptr: "PTR"
    case .mx: "MX"
    case .txt: "TXT"
    case .aaaa: "AAAA"
    case .srv: "SRV"
    case .opt: "OPT"
    case .https: "HTTPS"
    case .any: "ANY"
    default: "TYPE\(rawValue)"
    }
  }
}

/// An entry of the question section.
public struct DNSQuestion: Sendable, Equatable {
  public var name: DNSName
  public var type: DNSRecordType
  /// 1 is the Internet.
  public var classCode: UInt16

  public init(name: DNSName, type: DNSRecordType, classCode: UInt16 = 1) {
    self.name = name
    self.type = type
    self.classCode = classCode
  }
}

/// A resource record (RFC 1035 4.1.3).
public struct DNSRecord: Sendable, Equatable {
  public var name: DNSName
  public var type: DNSRecordType
  /// 1 is the Internet; in OPT records the sender's UDP payload size.
  public var classCode: UInt16
  /// Seconds; in OPT records extended RCODE, version and flags.
  public var timeToLive: UInt32
  public var data: Content

  /// RDATA
  public enum Content: Sendable, Equatable {
    case a(IPv4Address)
    case aaaa(IPv6Address)
    case ns(DNSName)
    case cname(DNSName)
    case ptr(DNSName)
    case mx(preference: UInt16, exchange: DNSName)
    /// Character strings of at most 255 octets each.
    case txt([[UInt8]])
    case srv(priority: UInt16, weight: UInt16, port: UInt16, target: DNSName)
    case soa(DNSStartOfAuthority)
    /// The octets of a type that is not taken apart; OPT's options are among these.
    case other([UInt8])
  }

  public init(name: DNSName, type: DNSRecordType, classCode: UInt16 = 1, timeToLive: UInt32, data: Content) {
    self.name = name
    self.type = type
    self.classCode = classCode
    self.timeToLive = timeToLive
    self.data = data
  }

  public init(name: DNSName, timeToLive: UInt32, address: IPv4Address) {
    self.init(name: name, type: .a, timeToLive: timeToLive, data: .a(address))
  }
  public init(name: DNSName, timeToLive: UInt32, address: IPv6Address) {
    self.init(name: name, type: .aaaa, timeToLive: timeToLive, data: .aaaa(address))
  }
  public init(name: DNSName, timeToLive: UInt32, alias: DNSName) {
    self.init(name: name, type: .cname, timeToLive: timeToLive, data: .cname(alias))
  }
  /// The OPT pseudo-record (RFC 6891 6.1.2) without options.
  public static func option(udpPayloadSize: UInt16) -> DNSRecord {
    DNSRecord(name: .root, type: .opt, classCode: udpPayloadSize, timeToLive: 0, data: .other([]))
  }
}

/// The content of an SOA record (RFC 1035 3.3.13); times in seconds.
public struct DNSStartOfAuthority: Sendable, Equatable {
  /// MNAME
  public var primary: DNSName
  /// RNAME
  public var mailbox: DNSName
  public var serial: UInt32
  public var refresh: UInt32
  public var retry: UInt32
  public var expire: UInt32
  /// How long a negative answer may be kept (RFC 2308 4).
  public var minimum: UInt32

  public init(
    primary: DNSName, mailbox: DNSName, serial: UInt32, refresh: UInt32, retry: UInt32, expire: UInt32, minimum: UInt32
  ) {
    self.primary = primary
    self.mailbox = mailbox
    self.serial = serial
    self.refresh = refresh
    self.retry = retry
    self.expire = expire
    self.minimum = minimum
  }
}
