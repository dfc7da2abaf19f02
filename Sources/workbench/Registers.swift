import ArgumentParser
import Bench
import IntelNIC
import Machine

struct Registers: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "The NIC's registers, decoded field by field.",
    discussion: """
      Without --of a bench is built and its NIC shown after the driver has started. With --of the registers of a running \
      bench are read from its shared memory: nothing is cleared by reading, and the bench does not notice.

      EXAMPLES
        workbench registers
        workbench registers ICR RCTL --of $(pgrep -n workbench)
        workbench registers --all --json
      """)

  @Argument(help: "Abbreviations of the registers to show, e.g. CTRL RAL0; default: all that are not zero.")
  var names: [String] = []

  @Option(help: ArgumentHelp("A running bench: its process id, or the file of --machine.", valueName: "pid|path"))
  var of: String?

  @Flag(help: "Show registers that are zero too.")
  var all = false

  @OptionGroup var bench: BenchArguments

  func run() throws {
    let table = RegisterTable.family8254x
    let wanted = Set(names.map { $0.uppercased() })
    let functions = try MachineView(of: of, bench).read { image in
      image.devices.compactMap { device -> RegisterDump? in
        guard device.vendorID == IntelPCI.vendor,
          let controller = IntelController(rawValue: device.deviceID), controller.is8254x,
          let bytes = image.registers(of: device.address, bar: 0)
        else { return nil }
        return RegisterDump(device.address, controller, bytes, table, wanted: wanted, all: all)
      }
    }
    guard !functions.isEmpty else { throw CommandFailure("the machine has no NIC whose registers are known here") }
    for name in wanted where !functions.contains(where: { $0.registers.contains { $0.name.uppercased() == name } }) {
      throw CommandFailure.usage("\(name): the NIC has no such register; workbench registers --all lists them")
    }
    if bench.json { try Output.json(functions) } else { Output.line(functions.map(\.text).joined(separator: "\n\n")) }
  }
}

/// The decoded registers of one function.
struct RegisterDump: Encodable {
  struct Register: Encodable {
    let name: String
    let fullName: String
    let section: String
    let offset: Int
    let value: UInt32
    let fields: [Field]
  }

  struct Field: Encodable {
    let name: String
    let value: UInt32
  }

  let function: String
  let controller: String
  let registers: [Register]

  init(
    _ address: PCIAddress, _ controller: IntelController, _ bytes: [UInt8], _ table: RegisterTable,
    wanted: Set<String>, all: Bool
  ) {
    function = address.description
    self.controller = controller.description
    registers = table.rows.flatMap { row in
      row.offsets.compactMap { offset -> Register? in
        guard offset + 4 <= bytes.count else { return nil }
        let value = (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[offset + $1]) << UInt32(8 * $1) }
        let name = row.label(at: offset)
        let isWanted =
          wanted.isEmpty
          ? all || value != 0 : wanted.contains(name.uppercased()) || wanted.contains(row.abbreviation.uppercased())
        guard isWanted else { return nil }
        return Register(
          name: name, fullName: row.name, section: row.section, offset: offset, value: value,
          fields: row.decode(value).map { Field(name: $0.field, value: $0.value) })
      }
    }
  }

  var text: String {
    (["\(function) \(controller)"]
      + registers.map { register in
        let offset = Self.hexadecimal(UInt32(register.offset), digits: 5)
        let fields = register.fields.filter { $0.value != 0 }.map { $0.value == 1 ? $0.name : "\($0.name)=\($0.value)" }
        let name = register.name.padding(to: 9)
        return "  \(offset)  \(name) \(Self.hexadecimal(register.value, digits: 8))  "
          + (fields.isEmpty ? register.fullName : fields.joined(separator: " "))
      }).joined(separator: "\n")
  }

  private static func hexadecimal(_ value: UInt32, digits: Int) -> String {
    let text = String(value, radix: 16)
    return String(repeating: "0", count: max(0, digits - text.count)) + text
  }
}

extension String {
  /// The string with spaces up to `width` characters.
  func padding(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
