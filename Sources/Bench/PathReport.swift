import LinuxABI

/// The counters of every layer of a path, from the application down to the wire.
public struct PathReport: Sendable, Codable, Equatable {
  public struct Layer: Sendable, Codable, Equatable {
    public let name: String
    /// Counters in the order in which the layer declares them.
    public let counters: [Counter]
  }

  public struct Counter: Sendable, Codable, Equatable {
    public let name: String
    public let value: UInt64
  }

  public private(set) var layers: [Layer] = []

  /// A report without layers.
  public init() {}

  /// The layers of one station, top down.
  public init(of station: Station) {
    let calls = station.system.counters.sorted { $0.key.rawValue < $1.key.rawValue }
    layers.append(
      Layer(
        name: "system calls",
        counters: calls.flatMap { call, count in
          [Counter(name: call.name, value: count.calls)]
            + (count.failures > 0 ? [Counter(name: "\(call.name) failed", value: count.failures)] : [])
        }))
    add("tcp", station.stack.tcp.counters)
    add("udp", station.stack.udp.counters)
    add("ip", station.stack.ip.counters)
    add("interface \(station.interface.name)", station.interface.counters)
    add("driver e1000", station.driver.counters)
    guard let board = station.board else { return }
    add("interrupts", board.machine.interrupts.counters)
    add("model \(board.model.controller)", board.model.counters)
  }

  /// Adds the fields of a counters struct: every integer in it, with the names of enclosing structs in front.
  public mutating func add(_ name: String, _ counters: Any) {
    layers.append(Layer(name: name, counters: Self.fields(counters, prefix: "")))
  }

  private static func fields(_ value: Any, prefix: String) -> [Counter] {
    Mirror(reflecting: value).children.flatMap { child -> [Counter] in
      let name = prefix + words(child.label ?? "")
      if let number = child.value as? UInt64 { return [Counter(name: name, value: number)] }
      return fields(child.value, prefix: name + " ")
    }
  }

  /// `framesSent` as "frames sent".
  private static func words(_ label: String) -> String {
    label.reduce(into: "") { text, character in
      text += character.isUppercase ? " " + character.lowercased() : String(character)
    }
  }

  /// One paragraph a layer; counters that are zero are left out.
  public var text: String {
    let width = (layers.map(\.name.count).max() ?? 0) + 2
    return layers.map { layer in
      let name = layer.name + String(repeating: " ", count: width - layer.name.count)
      let shown = layer.counters.filter { $0.value > 0 }.map { "\($0.name) \($0.value)" }
      return wrap(name, shown, indent: width)
    }.joined(separator: "\n")
  }

  private func wrap(_ first: String, _ items: [String], indent: Int) -> String {
    guard !items.isEmpty else { return first + "-" }
    var lines: [String] = []
    var line = first
    for (i, item) in items.enumerated() {
      let part = i == items.count - 1 ? item : item + ", "
      if line.count + part.count > 116 && line.count > indent {
        lines.append(line)
        line = String(repeating: " ", count: indent)
      }
      line += part
    }
    return (lines + [line]).joined(separator: "\n")
  }

  /// The value of one counter, 0 if there is none of the name.
  public func value(_ layer: String, _ counter: String) -> UInt64 {
    layers.first { $0.name.hasPrefix(layer) }?.counters.first { $0.name == counter }?.value ?? 0
  }
}
