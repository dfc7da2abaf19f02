import EventLoop
import FuzzScript
import IntelNIC
import Machine
import Memory
import NICModels

/// What must hold whatever the guest did.
extension World {
  func check() {
    slot.pinChanged = nil
    wire.duringSend = nil
    settle()
    let counters = model.counters
    require(wire.taken <= Int(counters.framesSent + counters.pausesSent), "more frames on the wire than were sent")
    require(Int(counters.framesReceived) <= offered + Int(counters.framesSent), "more frames stored than came")
    require(counters.segmentsCut <= counters.framesSent + counters.framesRefused, "segments that are no frames")
    revive()
    exchange()
  }

  /// A bus reset, and what firmware and driver do after it.
  private func revive() {
    for index in Self.places.indices { map(index) }
    wire.hasCarrier = true
    wire.room = .max
    model.plug(into: wire)
    configure(World.powerControl, size: 2, 0x8000)
    configure(PCIRegister.command, size: 2, 7)
    model.reset()
    write(Register.deviceControl, 0x241)
    settle()
    loop.advance(by: .seconds(1))
    require(model.isLinkUp, "no link after a reset")
    require(DeviceStatus(rawValue: read(Register.deviceStatus)).linkUp, "STATUS.LU")
    write(Register.receiveAddressLow, 0x1200_5452)
    write(Register.receiveAddressHigh, 0x8000_5634)
  }

  /// A frame out and one in.
  private func exchange() {
    guard let memory = window(0) else { fatalError("no memory") }
    let base = UInt32(Self.places[0].start)
    let out = frame(from: 0x52)
    for (index, byte) in out.enumerated() { memory.store(byte, 0x1000 + index) }
    memory.store(
      TransmitDescriptor.legacy(
        address: UInt64(base) + 0x1000, length: out.count, command: [.endOfPacket, .insertFCS, .reportStatus]), 0)
    memory.store(ReceiveDescriptor(address: UInt64(base) + 0x2000), 0x800)
    for (register, value) in [
      (Register.transmitBaseLow, base), (Register.transmitLength, 128), (Register.transmitControl, 0x0A),
      (Register.receiveBaseLow, base + 0x800), (Register.receiveLength, 128), (Register.receiveTail, 1),
      (Register.receiveControl, 0x0400_8002), (Register.transmitTail, 1),
    ] as [(Int, UInt32)] {
      write(register, value)
    }
    require(wire.last == out, "the frame does not come out")
    require(read(Register.transmitHead) == 1, "TDH")
    require((memory.load(0, as: TransmitDescriptor.self)).status.contains(.done), "no write-back")
    let back = frame(from: 0x02)
    require(model.receive(back.span.bytes), "the frame is not taken")
    let descriptor = memory.load(0x800, as: ReceiveDescriptor.self)
    require(descriptor.status.contains(.done) && descriptor.length == back.count, "the frame does not come in")
    require((0..<back.count).allSatisfy { memory.load(0x2000 + $0, as: UInt8.self) == back[$0] }, "other bytes")
    require(InterruptCauses(rawValue: read(Register.interruptCauseRead)).isSuperset(of: [.receiverTimer]), "RXT0")
  }

  private func frame(from source: UInt8) -> [UInt8] {
    [0x52, 0x54, 0, 0x12, 0x34, 0x56, source, 0, 0, 0, 0, 1, 0x88, 0xB5] + (0..<86).map { UInt8($0) }
  }
}
