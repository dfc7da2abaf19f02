import EventLoop
import Glibc
import IntelNIC
import Machine
import Memory
import NICModels
import Testing
import VfioUser

/// What a client does to a server that waits for it, inside of the device.
@Suite("vfio-user server: inside of a DMA access") struct NestedAccessTests {
  @Test("a write from inside of an access causes no other access, and memory that is unmapped then outlives the first")
  func unmappedInside() throws {
    let bench = try ServedController()
    let rings = try sharedMemory(0x2000)
    try bench.served.run {
      let memory = RemoteGuestMemory(byteCount: 0x10000, at: 0x10_0000)
      let client = try await bench.served.client()
      try await Guest.setUp(client)
      #expect(!(try await client.map(rings.descriptor, address: 0x10_0000, size: 0x2000).isError))
      #expect(!(try await client.map(nil, address: 0x10_2000, size: 0x2000).isError))
      let guest = Guest(client) { rings.window.copy(from: $1.span.bytes, to: Int($0 - 0x10_0000)) }
      try await guest.setUpRings()
      guest.writeTransmitDescriptor(length: 100)
      let inner = Locked<[[UInt8]]>([])
      let script = try BlockingClient(client) { peer in
        let outer = try peer.next()
        peer.write32(0, Register.transmitTail, 1)
        peer.post(.readRegion, bytes(RegionAccess(region: 7, offset: 0, count: 4)))
        // Two replies, and no command before them.
        var replies = 0
        while replies < 2 {
          let message = try peer.next()
          if message.header.isReply {
            replies += 1
          } else {
            inner.append(message.body)
            peer.send(memory.answer(message.header, message.body))
          }
        }
        peer.post(.unmapDMA, bytes(DMAUnmapping(address: 0x10_0000, size: 0x2000)))
        _ = try peer.next()
        peer.send(memory.answer(outer.header, outer.body))
        try peer.serve(memory)
      }
      let isTaken = bench.model.receive(ServedController.frame(200, 9).span.bytes)
      for _ in 0..<3 { try await bench.served.loop.sleep(for: .zero) }
      try script.end()
      #expect(isTaken && inner.value.isEmpty)
      #expect(memory.get(guest.receiveBuffer, 200) == ServedController.frame(200, 9))
      #expect(bench.served.server.isConnected && bench.served.server.mappingCount == 1)
      try client.listen(true)
      #expect(try await client.read32(7, 0) == 0x100E_8086)
    }
  }

  @Test("interrupts that a client causes inside of a write do not pile up, and come behind the data")
  func interruptsInside() throws {
    let bench = try ServedController()
    try bench.served.run {
      let memory = RemoteGuestMemory(byteCount: 0x10000, at: 0x10_0000)
      let eventfd = makeEventfd()
      defer { close(eventfd) }
      let client = try await bench.served.client()
      try await Guest.setUp(client)
      #expect(!(try await client.map(nil, address: 0x10_0000, size: 0x10000).isError))
      let guest = Guest(client) { memory.put($1, at: $0) }
      try await guest.setUpRings()
      _ = try await client.setTrigger(eventfd)
      client.postWrite32(0, Register.interruptMaskSet, 0x80)
      _ = try await client.read32(0, Register.deviceStatus)
      let early = Locked<[[UInt8]]>([])
      let script = try BlockingClient(client) { peer in
        var writes: [Answer] = []
        while writes.isEmpty {
          let message = try peer.next()
          if message.header.command == VfioUserCommand.writeDMA.rawValue {
            writes.append(message)
          } else {
            peer.send(memory.answer(message.header, message.body))
          }
        }
        for _ in 0..<20 {
          peer.write32(0, Register.interruptMaskClear, .max, wantsReply: false)
          peer.post(
            .setInterrupts, bytes(InterruptSetting(flags: [.none, .unmask], index: 0, count: 1)), wantsReply: false)
          peer.write32(0, Register.interruptMaskSet, 0x80)
          while true {
            let message = try peer.next()
            if message.header.isReply { break }
            writes.append(message)
          }
        }
        for write in writes.dropFirst() { early.append(write.body) }
        if taken(eventfd) != 0 { early.append([]) }
        for write in writes.reversed() { peer.send(memory.answer(write.header, write.body)) }
        try peer.serve(memory)
      }
      let isTaken = bench.model.receive(ServedController.frame(200, 9).span.bytes)
      for _ in 0..<3 { try await bench.served.loop.sleep(for: .zero) }
      try script.end()
      #expect(isTaken && early.value == [])
      #expect(taken(eventfd) >= 1)
      #expect(memory.get(guest.receiveBuffer, 200) == ServedController.frame(200, 9))
      #expect(memory.get(guest.receiveRing + 12, 1)[0] & 3 == 3)
      #expect(bench.served.server.isConnected)
    }
  }

  @Test("an access that the client refuses takes no time away from a later one")
  func refusedAccess() throws {
    let served = try ServedFunction(patience: .seconds(1))
    try served.run {
      let memory = RemoteGuestMemory(byteCount: 0x1000, at: 0x10_0000)
      memory.put([7], at: 0x10_0000)
      let client = try await served.client()
      try await client.write(7, 4, [4, 0])
      #expect(!(try await client.map(nil, address: 0x10_0000, size: 0x1000).isError))
      let script = try BlockingClient(client) { peer in
        let first = try peer.next()
        peer.send(
          bytes(
            VfioUserHeader(
              identifier: first.header.identifier, command: first.header.command, bodyByteCount: 0,
              flags: [.reply, .error], errorNumber: UInt32(EFAULT))))
        let second = try peer.next()
        // Not so fast that the server need not wait: it would not look at its deadline.
        usleep(50_000)
        peer.send(memory.answer(second.header, second.body))
      }
      let dma = served.server.slot.dma
      #expect(dma.resolve(0x10_0000, 16, .read) == nil)
      try await served.loop.sleep(for: .milliseconds(1010))
      #expect(dma.resolve(0x10_0000, 16, .read)?.load(0, as: UInt8.self) == 7)
      try await served.loop.sleep(for: .zero)
      #expect(served.server.isConnected && served.counters.remoteFailures == 1)
      try script.end()
    }
  }
}
