import EventLoop
import Events
import Foundation
import Machine
import Memory
import Testing

@Suite struct ExposedFunctionTests {
  @Test("a function that is served elsewhere is shown to who reads the machine, and is on no bus")
  func shown() throws {
    let box = try Box(memoryByteCount: 1 << 20)
    let function = ProbeFunction.nic()
    let registers = try box.machine.makeRegisterFile(byteCount: 128 << 10)
    try box.machine.expose(function, at: at(3), name: "served", registers: [0: registers])
    registers.window.store(UInt32(0x8000_0243), 8)
    #expect(box.machine.devices.count == 1 && box.machine.handle(at: at(3)) == nil)
    #expect(box.bus.readConfiguration(at(3), 0, size: 4) == .max)
    // Whoever serves it writes its configuration space.
    function.configuration.write(PCIRegister.baseAddress0, size: 4, value: 0xFEB0_0000)
    function.configuration.write(PCIRegister.command, size: 2, value: 2)
    let path = try #require(
      try MachineImage.paths(process: ProcessInfo.processInfo.processIdentifier).first {
        $0.hasSuffix("/\(box.machine.sharedMemory.descriptor)")
      })
    let image = try MachineImage(path: path)
    let device = try #require(image.devices.first { $0.address == at(3) })
    #expect(device.deviceID == 0x100E && device.resources.first?.address == 0xFEB0_0000)
    #expect(device.resources.first?.byteCount == 128 << 10 && device.resources.first?.isEnabled == true)
    let region = try #require(image.regions.first { $0.kind == .registers })
    #expect(region.busAddress == 0xFEB0_0000 && region.name == "served")
    #expect(image.registers(of: at(3), bar: 0).map { Array($0[8..<12]) } == [0x43, 0x02, 0x00, 0x80])
  }

  @Test("its place is taken, and a place that is taken is not its")
  func places() throws {
    let box = try Box(memoryByteCount: 1 << 20)
    try box.machine.plug(ProbeFunction.nic(), at: at(4), name: "nic")
    try box.machine.expose(ProbeFunction.nic(), at: at(3), name: "served")
    #expect(throws: MachineError.slotTaken(at(3))) { try box.machine.plug(ProbeFunction.nic(), at: at(3), name: "x") }
    #expect(throws: MachineError.slotTaken(at(3))) { try box.machine.expose(ProbeFunction.nic(), at: at(3), name: "x") }
    #expect(throws: MachineError.slotTaken(at(4))) { try box.machine.expose(ProbeFunction.nic(), at: at(4), name: "x") }
    let settled = ProbeFunction.nic()
    settled.configuration.settle()
    #expect(throws: MachineError.self) { try box.machine.expose(settled, at: at(5), name: "x") }
    #expect(throws: MachineError.self) { try box.machine.expose(ProbeFunction.nic(), at: at(5, bus: 1), name: "x") }
  }
}
