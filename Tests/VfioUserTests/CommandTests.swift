import Glibc
import Machine
import Testing
import VfioUser

@Suite("vfio-user server: commands") struct CommandTests {
  @Test("VERSION: same major, minor 0, and only what both can")
  func version() throws {
    let served = try ServedFunction()
    try served.run {
      let client = try served.connect()
      var offer = VfioUserCapabilities()
      offer.maximumMappings = 100
      let answer = try await client.request(.version, bytes(UInt16(0)) + bytes(UInt16(1)) + offer.text)
      #expect(answer.load(0, as: UInt32.self) == 0)
      let text = String(decoding: answer.body.dropFirst(4).dropLast(), as: UTF8.self)
      #expect(answer.body.last == 0)
      #expect(
        text == #"{"capabilities":{"max_msg_fds":16,"max_data_xfer_size":1048576,"max_dma_maps":100,"pgsizes":4096}}"#)
      #expect(try await client.request(.version, bytes(UInt32(0))).error == EINVAL)
      #expect(served.refusals(.negotiatedTwice) == 1)
    }
  }

  @Test(
    "VERSION takes QEMU's text, unknown names, and no text at all",
    arguments: [
      #"{"capabilities": {"pgsizes": 4096, "migration": {"pgsize": 4096, "max_bitmap_size": 268435456}, "#
        + #""max_msg_fds": 16, "max_dma_maps": 65535, "max_data_xfer_size": 1048576, "write_multiple": true}}"#,
      #"{"x":[1,-2.5e3,{"y":null}],"capabilities":{"write_multiple":true,"z":"\"}"}}"#, " { } ", "",
    ])
  func versionTexts(text: String) throws {
    let served = try ServedFunction()
    try served.run {
      let client = try served.connect()
      let body = text.isEmpty ? [] : Array(text.utf8) + [0]
      let answer = try await client.request(.version, bytes(UInt32(0)) + body)
      #expect(!answer.isError)
      let answerText = String(decoding: answer.body, as: UTF8.self)
      #expect(answerText.contains("write_multiple") == text.contains("write_multiple"))
    }
  }

  @Test("the device: resettable, PCI, nine regions, five interrupt types")
  func deviceInfo() throws {
    let served = try ServedFunction()
    try served.run {
      let client = try await served.client()
      let answer = try await client.request(.deviceInfo, bytes(DeviceInfo()))
      #expect(answer.payload() == DeviceInfo(flags: 3, regions: 9, interrupts: 5))
      #expect(answer.body.count == 16)
    }
  }

  @Test("regions are the BARs, the ROM and configuration space")
  func regions() throws {
    let rom = try ExpansionROM([0x55, 0xAA] + [UInt8](repeating: 1, count: 3000))
    let served = try ServedFunction(rom: rom)
    try served.run {
      let client = try await served.client()
      let sizes: [UInt64] = [128 << 10, 64, 0, 0, 0, 0, 4096, 256, 0]
      for (index, size) in sizes.enumerated() {
        let answer = try await client.request(.regionInfo, bytes(RegionInfo(index: UInt32(index))))
        let flags: UInt32 = size == 0 ? 0 : index == 6 ? 1 : 3
        #expect(answer.payload() == RegionInfo(index: UInt32(index), flags: flags, size: size))
        #expect(answer.body.count == 32)
      }
    }
  }

  @Test("INTx is an eventfd interrupt that masks itself; without a pin there is none", arguments: [UInt8(0), 1])
  func interruptInfo(pin: UInt8) throws {
    let served = try ServedFunction(pin: pin)
    try served.run {
      let client = try await served.client()
      for index in UInt32(0)..<5 {
        let answer = try await client.request(.interruptInfo, bytes(InterruptInfo(index: index)))
        let exists = index == 0 && pin == 1
        #expect(answer.payload() == InterruptInfo(index: index, flags: exists ? 7 : 0, count: exists ? 1 : 0))
      }
      let eventfd = makeEventfd()
      defer { close(eventfd) }
      #expect(try await client.setTrigger(eventfd).error == (pin == 0 ? EINVAL : 0))
    }
  }

  @Test("configuration space is read whole, in parts and unaligned, and written with its masks")
  func configuration() throws {
    let served = try ServedFunction()
    try served.run {
      let client = try await served.client()
      let whole = try await client.read(7, 0, 256)
      #expect(whole.body.count == 16 + 256)
      #expect(Array(whole.body[16..<20]) == [0x86, 0x80, 0x0E, 0x10])
      for (offset, count) in [(0, 1), (1, 2), (3, 5), (0x2B, 7), (255, 1)] {
        let part = try await client.read(7, offset, count)
        #expect(Array(part.body[16...]) == Array(whole.body[16 + offset..<16 + offset + count]))
      }
      // Sizing of BAR 0, by one write over the header's end of BAR 0 and BAR 1.
      try await client.write(7, 0x10, [UInt8](repeating: 0xFF, count: 8))
      #expect(try await client.read32(7, 0x10) == 0xFFFE_0000)
      #expect(try await client.read32(7, 0x14) == 0xFFFF_FFC1)
      try await client.write(7, 0, [1, 2, 3, 4])
      #expect(try await client.read32(7, 0) == 0x100E_8086)
      #expect(served.function.configurationWrites == [0x10, 0x14, 0])
    }
  }

  @Test("registers are read and written in every width, while the command register lets them", arguments: [1, 2, 4, 8])
  func registers(width: Int) throws {
    let served = try ServedFunction()
    try served.run {
      let client = try await served.client()
      let ones = [UInt8](repeating: 0xFF, count: width)
      #expect(Array(try await client.read(0, 8, width).body[16...]) == ones, "memory is not enabled")
      try await client.write(0, 8, ones)
      #expect(served.function.accesses.isEmpty && served.counters.unclaimedAccesses == 2)
      try await client.write(7, 4, [2, 0])
      let answer = try await client.read(0, 8, width)
      #expect(Array(answer.body[16...]) == Array(bytes(served.function.answer).prefix(width)))
      let data = Array(bytes(0xA1A2_A3A4_A5A6_A7A8 as UInt64).prefix(width))
      #expect(try await client.write(0, 16, data).body.count == 16)
      let value = data.reversed().reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
      #expect(
        served.function.accesses == [
          .init(bar: 0, offset: 8, size: width, value: nil), .init(bar: 0, offset: 16, size: width, value: value),
        ])
      _ = try await client.read(1, 0, width)
      #expect(served.function.accesses.count == 2, "I/O has an enable of its own")
    }
  }

  @Test("posted writes are done in order and not answered")
  func postedWrites() throws {
    let served = try ServedFunction()
    try served.run {
      let client = try await served.client()
      try await client.write(7, 4, [2, 0])
      for index in 0..<200 { client.postWrite32(0, index * 4, UInt32(index)) }
      #expect(try await client.read32(0, 0) == 0x5566_7788)
      #expect(served.function.accesses.count == 201)
      #expect(served.function.accesses.prefix(200).enumerated().allSatisfy { $1.value == UInt64($0) })
      #expect(served.counters.postedWrites == 200)
      #expect(served.counters.receives < 50, "a read of the socket takes many messages")
    }
  }

  @Test("REGION_WRITE_MULTI does its writes in order", arguments: [false, true])
  func multiple(posted: Bool) throws {
    let served = try ServedFunction()
    try served.run {
      var capabilities = VfioUserCapabilities()
      capabilities.writesMultiple = true
      let client = try await served.client(capabilities)
      try await client.write(7, 4, [2, 0])
      var body = bytes(3 as UInt64)
      for (index, width) in [4, 2, 8].enumerated() {
        body += bytes(RegionAccess(region: 0, offset: UInt64(8 * index), count: UInt32(width)))
        body += bytes(UInt64(index + 1) << 32 | 0x1_0005)
      }
      client.post(.writeRegions, body, flags: posted ? .noReply : [])
      if !posted { #expect(try await client.receive().body == bytes(3 as UInt64)) }
      _ = try await client.read32(0, 0)
      #expect(
        served.function.accesses.prefix(3) == [
          .init(bar: 0, offset: 0, size: 4, value: 0x1_0005), .init(bar: 0, offset: 8, size: 2, value: 5),
          .init(bar: 0, offset: 16, size: 8, value: 3 << 32 | 0x1_0005),
        ])
    }
  }

  @Test("the expansion ROM is read through its region, and is read-only")
  func expansionROM() throws {
    let image = [0x55, 0xAA] + (2..<5000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    let served = try ServedFunction(rom: try ExpansionROM(image))
    try served.run {
      let client = try await served.client()
      let answer = try await client.read(6, 0, 8192)
      #expect(Array(answer.body[16..<5016]) == image)
      #expect(answer.body[5016...].allSatisfy { $0 == 0xFF } && answer.body.count == 16 + 8192)
      #expect(try await client.write(6, 0, [1]).error == EPERM)
      try await client.write(7, 0x30, bytes(0xFFFF_F800 as UInt32))
      #expect(try await client.read32(7, 0x30) == 0xFFFF_E000)
    }
  }

  @Test("a reset resets registers, configuration space and pin")
  func reset() throws {
    let served = try ServedFunction()
    try served.run {
      let client = try await served.client()
      try await client.write(7, 4, [7, 0])
      served.function.slot?.setInterruptPin(true)
      #expect(served.server.slot.isInterruptDriven)
      #expect(try await client.request(.reset).body.isEmpty)
      #expect(served.function.resets == 1 && !served.server.slot.isInterruptDriven)
      #expect(try await client.read32(7, 4) == 0)
      #expect(!served.server.slot.dma.isMasterEnabled)
    }
  }

  @Test(
    "what is not served is refused, and the connection goes on",
    arguments: [
      VfioUserCommand.regionDescriptors, .readDMA, .writeDMA, .dirtyPages, .feature, .readMigrationData,
      .writeMigrationData,
    ])
  func unsupported(command: VfioUserCommand) throws {
    let served = try ServedFunction()
    try served.run {
      let client = try await served.client()
      let answer = try await client.request(command, [UInt8](repeating: 0, count: 16))
      #expect(answer.error == EOPNOTSUPP && answer.body.isEmpty)
      #expect(served.refusals(.unsupportedCommand) == 1)
      #expect(try await client.read32(7, 0) == 0x100E_8086)
    }
  }

  @Test("several servers live on one loop")
  func several() throws {
    let served = try ServedFunction()
    let second = ProbeFunction(pin: 0)
    let other = try VfioUserServer(
      second, on: served.loop, tap: served.tap, path: served.folder.file("t"), name: "other")
    try served.run {
      let a = try await served.client()
      let b = try ScriptedClient(on: served.loop, path: other.path)
      try await b.negotiate()
      try await b.write(7, 0x3C, [5])
      #expect(try await a.read32(7, 0x3C) == 0x100)
      #expect(try await b.read32(7, 0x3C) == 5)
      a.leave()
      try await served.wait(connected: false)
      #expect(try await b.read32(7, 0x3C) == 5)
    }
    other.close()
  }
}
