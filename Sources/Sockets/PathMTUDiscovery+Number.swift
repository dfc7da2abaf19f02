import NetStack

extension PathMTUDiscovery {
  /// The value of IP_MTU_DISCOVER: IP_PMTUDISC_DONT 0, WANT 1, DO 2, PROBE 3, INTERFACE 4, OMIT 5.
  init?(number: Int) {
    switch number {
    case 0: self = .never
    case 1: self = .want
    case 2: self = .always
    case 3: self = .probe
    case 4: self = .interface
    case 5: self = .omit
    default: return nil
    }
  }

  var number: Int {
    switch self {
    case .never: 0
    case .want: 1
    case .always: 2
    case .probe: 3
    case .interface: 4
    case .omit: 5
    }
  }
}
