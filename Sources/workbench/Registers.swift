import ArgumentParser
import Bench
import IntelNIC
import Machine

struct Registers: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "The NIC's registers, decoded field by field.",
    discussion: """
      Without --of a bench is built and its NIC shown after the driver has started. With --of the registers of a \
      running bench are read from its shared memory: nothing is cleared by reading, and the bench does not notice. \
      --rings shows the descriptor rings and the descriptors around the head (>; the device has those with *; --all \
      shows every one). With --reference the register table itself is printed as Markdown (or JSON): offsets, names, \
      manual sections, reset values, masks, behaviour and fields of the 82540EM and 82545EM.

      EXAMPLES
        workbench registers
        workbench registers ICR RCTL --of $(pgrep -n workbench)
        workbench registers --rings --of $(pgrep -n workbench)
        workbench registers --all --json
        workbench registers --reference >registers.md
      """)

  @Argument(help: "Abbreviations of the registers to show, e.g. CTRL RAL0; default: all that are not zero.")
  var names: [String] = []

  @Option(help: ArgumentHelp("A running bench: its process id, or the file of --machine.", valueName: "pid|path"))
  var of: String?

  @Flag(help: "Show the descriptor rings; registers only if they are named.")
  var rings = false

  @Flag(help: "Show registers that are zero too; with --rings all descriptors.")
  var all = false

  @Flag(help: "Describe the registers instead of reading them.")
  var reference = false

  @OptionGroup var bench: BenchArguments

  func run() throws {
    let table = RegisterTable.family8254x
    let wanted = Set(names.map { $0.uppercased() })
    if reference { return try describe(table, wanted) }
    let functions = try MachineView(of: of, bench).read { image in
      image.devices.compactMap { device -> RegisterDump? in
        guard device.vendorID == IntelPCI.vendor,
          let controller = IntelController(rawValue: device.deviceID), controller.is8254x,
          let bytes = image.registers(of: device.address, bar: 0)
        else { return nil }
        let rings =
          rings
          ? [DescriptorRing.Direction.receive, .transmit].map {
            DescriptorRing($0, bytes, in: image, showsAll: all)
          } : nil
        // Registers in full, or, beside rings, those that are named.
        let isShown = rings == nil || !wanted.isEmpty
        return RegisterDump(
          device.address, controller, bytes, isShown ? table.rows : [], wanted: wanted, all: all, rings: rings)
      }
    }
    guard !functions.isEmpty else { throw CommandFailure("the machine has no NIC whose registers are known here") }
    // The name of an array stands for all of its elements.
    let isShown = { name in functions.contains { $0.registers.contains { $0.name.uppercased() == name } } }
    for name in wanted where table.row(named: name) == nil && !isShown(name) {
      throw CommandFailure.usage("\(name): the NIC has no such register; workbench registers --all lists them")
    }
    if bench.json { return try Output.json(functions) }
    try Output.line(functions.map(\.text).joined(separator: "\n\n"))
  }
}

extension Registers {
  /// The name of the array that an element like RAL0 is of; other names as they are.
  private static func row(of name: String, in table: RegisterTable) -> String {
    let stem = String(name.prefix { !$0.isNumber && $0 != "[" })
    return table.row(named: name) == nil && table.row(named: stem).map { $0.count > 1 } == true ? stem : name
  }

  private func describe(_ table: RegisterTable, _ wanted: Set<String>) throws {
    guard of == nil else { throw CommandFailure.usage("--reference reads no bench: leave --of out") }
    guard !rings, !all else {
      throw CommandFailure.usage("--reference describes registers: leave \(rings ? "--rings" : "--all") out")
    }
    let wanted = Set(wanted.map { Self.row(of: $0, in: table) })
    for name in wanted where table.row(named: name) == nil {
      throw CommandFailure.usage("\(name): there is no such register; workbench registers --reference lists them")
    }
    if bench.json {
      try Output.json(
        table.rows.filter { wanted.isEmpty || wanted.contains($0.abbreviation) }.map(RegisterReference.init))
    } else {
      try Output.write(table.reference(title: "Registers of the 82540EM and 82545EM", only: wanted))
    }
  }
}

/// One row of the register table.
private struct RegisterReference: Encodable {
  struct Field: Encodable {
    let name: String
    let low: Int
    let width: Int
  }

  let offset: Int
  let name: String
  let fullName: String
  let section: String
  let count: Int
  let stride: Int
  let reset: UInt32
  let readable: UInt32
  let writable: UInt32
  let writeOneToClear: UInt32
  let clearOnRead: UInt32
  let behaviour: String
  let fields: [Field]

  init(_ row: RegisterDescription) {
    offset = row.offset
    name = row.abbreviation
    fullName = row.name
    section = row.section
    count = row.count
    stride = row.stride
    reset = row.reset
    readable = row.readable
    writable = row.writable
    writeOneToClear = row.writeOneToClear
    clearOnRead = row.clearOnRead
    behaviour = row.behaviour.summary
    fields = row.fields.map { Field(name: $0.name, low: $0.low, width: $0.width) }
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
  let rings: [DescriptorRing]?

  init(
    _ address: PCIAddress, _ controller: IntelController, _ bytes: [UInt8], _ rows: [RegisterDescription],
    wanted: Set<String>, all: Bool, rings: [DescriptorRing]?
  ) {
    self.rings = rings
    function = address.description
    self.controller = controller.description
    registers = rows.flatMap { row in
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
      } + (rings ?? []).map { $0.text }).joined(separator: "\n")
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
