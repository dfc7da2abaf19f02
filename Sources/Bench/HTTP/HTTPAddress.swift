import Foundation

/// An `http` URL taken apart (RFC 9110 4.2.1, RFC 3986).
public struct HTTPAddress: Sendable, Equatable, CustomStringConvertible {
  /// A name or an address literal, without brackets.
  public let host: String
  public let port: UInt16
  /// Path and query, never empty, percent-encoded.
  public let target: String

  /// - Throws: ``FetchError/malformedURL(_:reason:)``.
  public init(_ text: String) throws(FetchError) {
    func malformed(_ reason: String) -> FetchError { .malformedURL(text, reason: reason) }
    guard !text.isEmpty else { throw malformed("it is empty") }
    guard text.unicodeScalars.allSatisfy({ $0.value > 0x20 && $0.value < 0x7F }) else {
      throw malformed("it holds spaces, control characters or non-ASCII characters; percent-encode them")
    }
    guard let separator = text.range(of: "://") else { throw malformed("it has no scheme; write http://HOST/PATH") }
    let scheme = text[..<separator.lowerBound].lowercased()
    guard scheme == "http" else {
      throw malformed("scheme \"\(scheme)\" is not supported; only http is")
    }
    guard let components = URLComponents(string: text) else { throw malformed("it does not follow RFC 3986") }
    guard components.user == nil, components.password == nil else {
      throw malformed("user information is not supported; use --header 'Authorization: ...'")
    }
    guard var host = components.host, !host.isEmpty else { throw malformed("it names no host") }
    if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
    let authority = text[separator.upperBound...].prefix { $0 != "/" && $0 != "?" && $0 != "#" }
    if authority.hasSuffix(":") { throw malformed("the port after the colon is missing") }
    let port = components.port ?? 80
    guard (1...65535).contains(port) else { throw malformed("port \(port) is not in 1...65535") }
    self.host = host
    self.port = UInt16(port)
    let path = components.percentEncodedPath
    target = (path.isEmpty ? "/" : path) + (components.percentEncodedQuery.map { "?" + $0 } ?? "")
  }

  init(host: String, port: UInt16, target: String) {
    self.host = host
    self.port = port
    self.target = target
  }

  /// The address a `Location` header leads to from here (RFC 9110 10.2.2).
  ///
  /// - Throws: ``FetchError/badRedirect(_:reason:)``.
  func resolving(_ location: String) throws(FetchError) -> HTTPAddress {
    guard let base = URL(string: description), let url = URL(string: location, relativeTo: base) else {
      throw .badRedirect(location, reason: "it is not a URL")
    }
    do throws(FetchError) { return try HTTPAddress(url.absoluteString) } catch .malformedURL(let text, let reason) {
      throw .badRedirect(text, reason: reason)
    }
  }

  /// The value of the Host header.
  public var authority: String {
    let name = host.contains(":") ? "[\(host)]" : host
    return port == 80 ? name : "\(name):\(port)"
  }

  public var description: String { "http://\(authority)\(target)" }

  /// The last path component, or `index.html`: where wget would save it.
  public var suggestedFileName: String {
    let path = target.prefix { $0 != "?" }
    let last = path.split(separator: "/", omittingEmptySubsequences: false).last.map(String.init) ?? ""
    let decoded = last.removingPercentEncoding ?? last
    return decoded.isEmpty || decoded == "." || decoded == ".." || decoded.contains("/") ? "index.html" : decoded
  }
}
