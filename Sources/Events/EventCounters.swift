/// Counts the event stream by layer and kind.
public final class EventCounters {
  /// What had been counted at one moment.
  public struct Snapshot: Sendable, Equatable {
    fileprivate var counts = [UInt64](repeating: 0, count: EventCounters.cellCount)

    /// How many events of `kind` came from `layer`.
    public subscript(layer: EventLayer, kind: EventKind) -> UInt64 { counts[EventCounters.cell(layer, kind)] }

    /// How many events came from `layer`.
    public subscript(layer: EventLayer) -> UInt64 { EventKind.allCases.reduce(0) { $0 + self[layer, $1] } }

    public var total: UInt64 { counts.reduce(0, +) }

    /// What was counted since `earlier`, a snapshot of the same counters.
    public func since(_ earlier: Snapshot) -> Snapshot {
      var difference = self
      for cell in counts.indices { difference.counts[cell] = counts[cell] &- earlier.counts[cell] }
      return difference
    }

    /// A line for each layer and kind that occurred, in the order of the layers, without a line end at the end:
    ///
    ///     driver    register write               12
    public var table: String {
      var rows: [(layer: String, kind: String, count: String)] = []
      for layer in EventLayer.allCases {
        for kind in EventKind.allCases where self[layer, kind] > 0 {
          rows.append((layer.rawValue, kind.rawValue, String(self[layer, kind])))
        }
      }
      let width = max(10, rows.map(\.count.count).max() ?? 0)
      return rows.map { row in
        pad(row.layer, 10) + pad(row.kind, 22) + String(repeating: " ", count: width - row.count.count) + row.count
      }.joined(separator: "\n")
    }

    private func pad(_ text: String, _ width: Int) -> String {
      text + String(repeating: " ", count: max(1, width - text.count))
    }
  }

  private var snapshot = Snapshot()

  public init() {}

  /// Counts everything that passes `tap` from now on.
  public func attach(to tap: EventTap) {
    tap.attach { [self] record in count(record) }
  }

  /// Counts one event.
  public func count(_ record: EventRecord) {
    snapshot.counts[Self.cell(record.layer, record.event.kind)] &+= 1
  }

  public var counters: Snapshot { snapshot }

  fileprivate static let cellCount = EventLayer.allCases.count * EventKind.allCases.count

  fileprivate static func cell(_ layer: EventLayer, _ kind: EventKind) -> Int {
    layer.index * EventKind.allCases.count + kind.index
  }
}

extension EventLayer {
  /// The position among all layers, from the top of the declaration down.
  fileprivate var index: Int {
    switch self {
    case .machine: 0
    case .model: 1
    case .driver: 2
    case .wire: 3
    case .ethernet: 4
    case .ip: 5
    case .udp: 6
    case .tcp: 7
    case .sockets: 8
    case .syscall: 9
    case .bench: 10
    }
  }
}

extension EventKind {
  /// The position among all kinds.
  fileprivate var index: Int {
    switch self {
    case .registerRead: 0
    case .registerWrite: 1
    case .configurationAccess: 2
    case .descriptor: 3
    case .interrupt: 4
    case .frame: 5
    case .dropped: 6
    case .segment: 7
    case .stateChange: 8
    case .wake: 9
    case .systemCall: 10
    case .note: 11
    }
  }
}
