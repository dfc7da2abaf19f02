import EventLoop
import Events
import IntelNIC
import Link
import NICDrivers
import Testing

@Suite struct ReceiveTests {
  @Test("frames arrive whole and in order, in one batch with one tail write")
  func frames() throws {
    let bench = try FakeBench()
    let sent = (0..<10).map { FakeBench.frame(60 + $0 * 100, $0) }
    let before = bench.device.writes(to: Register.receiveTail).count
    for frame in sent { bench.device.fill(frame) }
    bench.settle()
    #expect(bench.client.frames == sent)
    #expect(bench.client.batches == 1 && bench.client.open == 0)
    #expect(bench.device.writes(to: Register.receiveTail).dropFirst(before) == [9])
    let counters = bench.driver.counters
    #expect(counters.framesReceived == 10 && counters.bytesReceived == UInt64(sent.reduce(0) { $0 + $1.count }))
    #expect(counters.interrupts == 1 && counters.receivePasses == 1)
  }

  @Test("the ring goes round many times without losing a frame or a descriptor", arguments: [16, 24, 256])
  func wrap(count: Int) throws {
    let bench = try FakeBench { $0.receiveDescriptors = count }
    var sent: [[UInt8]] = []
    for round in 0..<200 {
      for index in 0..<(round * 5 % count) {
        let frame = FakeBench.frame(64, round * 31 + index)
        if bench.device.fill(frame) { sent.append(frame) }
      }
      bench.settle()
      #expect(bench.device.receiveFree == count - 1)
    }
    #expect(bench.client.frames == sent && sent.count > 1000)
  }

  @Test("a full ring is emptied, and the device has all its descriptors back")
  func full() throws {
    let bench = try FakeBench { $0.receiveDescriptors = 128 }
    var count = 0
    while bench.device.fill(FakeBench.frame(60, count)) { count += 1 }
    #expect(count == 127)
    bench.device.raise(.receiverOverrun)
    bench.settle()
    #expect(bench.client.frames.count == 127 && bench.device.receiveFree == 127)
    #expect(bench.driver.counters.receiverOverruns == 1)
  }

  @Test("a pass ends at its budget and goes on after other work of the loop")
  func budget() throws {
    let bench = try FakeBench { $0.receiveBudget = 8 }
    for index in 0..<50 { bench.device.fill(FakeBench.frame(60, index)) }
    var other = 0
    var work: DeferredWork!
    work = DeferredWork(on: bench.loop) { other += 1 }
    bench.client.onBatchEnd = { work.schedule() }
    bench.settle()
    #expect(bench.client.frames.count == 50 && bench.client.largestBatch == 8)
    #expect(bench.client.batches == 7 && other == 7)
    #expect(bench.driver.counters.passesContinued == 6 && bench.driver.counters.interrupts == 1)
  }

  @Test(
    "checksum status becomes metadata",
    arguments: [
      ([], [], .notChecked, .notChecked), ([.ignoreChecksum, .networkChecked], [], .notChecked, .notChecked),
      ([.networkChecked], [], .good, .notChecked), ([.networkChecked], [.networkChecksum], .bad, .notChecked),
      ([.networkChecked, .transportChecked], [], .good, .good),
      ([.networkChecked, .transportChecked], [.transportChecksum], .good, .bad),
      ([.transportChecked], [], .notChecked, .good), ([], [.transportChecksum], .notChecked, .notChecked),
    ] as [(ReceiveStatus, ReceiveErrors, ReceiveMetadata.Checksum, ReceiveMetadata.Checksum)])
  func checksums(
    status: ReceiveStatus, errors: ReceiveErrors, network: ReceiveMetadata.Checksum, transport: ReceiveMetadata.Checksum
  ) throws {
    for isOn in [true, false] {
      let bench = try FakeBench { $0.checksumOffload = isOn }
      bench.device.fill(FakeBench.frame(60), status: status.union([.done, .endOfPacket]), errors: errors)
      bench.settle()
      let expected = ReceiveMetadata(networkChecksum: network, transportChecksum: transport)
      #expect(bench.client.metadata == [isOn ? expected : ReceiveMetadata()])
    }
  }

  @Test("a frame over several descriptors is put together, also around the end of the ring")
  func assembly() throws {
    let bench = try FakeBench {
      $0.receiveBufferByteCount = 256
      $0.receiveDescriptors = 16
    }
    var sent: [[UInt8]] = []
    for round in 0..<40 {
      let frame = FakeBench.frame(200 + round * 30, round)
      sent.append(frame)
      var rest = frame[...]
      while rest.count > 256 {
        bench.device.fill(Array(rest.prefix(256)), status: .done)
        rest = rest.dropFirst(256)
      }
      bench.device.fill(Array(rest))
      bench.settle()
    }
    #expect(bench.client.frames == sent)
    #expect(bench.driver.counters.framesAssembled == UInt64(sent.filter { $0.count > 256 }.count))
  }

  @Test("a frame whose parts come in different passes is put together")
  func split() throws {
    let bench = try FakeBench { $0.receiveBufferByteCount = 256 }
    bench.device.fill(FakeBench.frame(256), status: .done)
    bench.settle()
    #expect(bench.client.frames.isEmpty)
    bench.device.fill(FakeBench.frame(100))
    bench.settle()
    #expect(bench.client.frames == [FakeBench.frame(256) + FakeBench.frame(100)])
  }

  @Test("what a hostile device writes is counted, and the frames after it arrive")
  func hostile() throws {
    let good = FakeBench.frame(60)
    let cases: [(WritableKeyPath<E1000Counters, UInt64>, UInt64, (FakeController) -> Void)] = [
      (\.receiveLengthErrors, 1, { $0.fill(good, length: 2049) }),
      (\.receiveLengthErrors, 1, { $0.fill(good, length: 0xFFFF) }),
      (
        \.receiveLengthErrors, 1,
        { $0.fill(good, status: .init(rawValue: 0xFF), errors: .init(rawValue: 0xFF), length: 0xFFFF) }
      ),
      (\.receiveRunts, 1, { $0.fill(good, length: 0) }),
      (\.receiveRunts, 1, { $0.fill(good, length: 13) }),
      (\.receiveErrors, 1, { $0.fill(good, errors: .crc) }),
      (
        \.receiveErrors, 2,
        {
          $0.fill(good, errors: .data); $0.fill(good, errors: [.symbol, .sequence])
        }
      ),
      (\.receiveErrors, 1, { $0.fill(good, errors: .carrierExtension) }),
      (
        \.receiveOversized, 1,
        { device in
          for _ in 0..<200 { device.fill(good, status: .done) }
          device.fill(good)
        }
      ),
      (
        \.receiveLengthErrors, 1,
        { device in
          device.fill(good, status: .done, length: 5000)
          for _ in 0..<20 { device.fill(good, status: .done) }
          device.fill(good, length: 3000)
        }
      ),
    ]
    for buffer in [nil, 512] as [Int?] {
      for (counter, count, act) in cases {
        let bench = try FakeBench { $0.receiveBufferByteCount = buffer }
        act(bench.device)
        bench.settle()
        #expect(bench.client.frames.isEmpty)
        #expect(bench.driver.counters[keyPath: counter] == count)
        bench.device.fill(good)
        bench.settle()
        #expect(bench.client.frames == [good] && bench.device.receiveFree == 255)
      }
    }
  }

  @Test(
    "descriptors that are overwritten with anything neither trap nor hang, and the ring is in order after a restart")
  func garbage() throws {
    let bench = try FakeBench {
      $0.receiveBufferByteCount = 1024
      $0.receiveDescriptors = 32
    }
    for _ in 0..<2000 {
      let descriptor = bench.device.receiveDescriptor(Int(bench.loop.random.next() % 32))
      descriptor.store(bench.loop.random.next(), 0)
      descriptor.store(bench.loop.random.next(), 8)
      bench.device.raise(InterruptCauses(rawValue: UInt32(truncatingIfNeeded: bench.loop.random.next() & 0x1_F6DF)))
      bench.settle()
    }
    #expect(bench.driver.state == .running)
    bench.driver.stop()
    try bench.driver.start()
    let before = bench.client.frames.count
    bench.device.receiveHead = 0
    bench.device.fill(FakeBench.frame(77))
    bench.settle()
    #expect(bench.client.frames.dropFirst(before) == [FakeBench.frame(77)])
  }

  @Test("without a client frames are counted and the descriptors go back")
  func noClient() throws {
    let bench = try FakeBench()
    bench.driver.client = nil
    for _ in 0..<5 { bench.device.fill(FakeBench.frame(60)) }
    bench.settle()
    #expect(bench.driver.counters.receiveWithoutClient == 5 && bench.device.receiveFree == 255)
    bench.driver.client = bench.client
    bench.device.fill(FakeBench.frame(60))
    bench.settle()
    #expect(bench.client.frames.count == 1)
  }

  @Test("a client may stop, restart or resize the driver in the middle of a batch")
  func reentry() throws {
    let acts: [(E1000Driver) throws -> Void] = [
      { $0.stop() },
      {
        $0.stop(); try $0.start()
      }, { try $0.setMTU(9000) },
    ]
    for act in acts {
      let bench = try FakeBench()
      for index in 0..<10 { bench.device.fill(FakeBench.frame(60, index)) }
      bench.client.onFrame = {
        if bench.client.frames.count == 4 { #expect(throws: Never.self) { try act(bench.driver) } }
      }
      bench.settle()
      #expect(bench.client.frames.count == 4 && bench.client.batches == 0)
      try bench.driver.start()
      bench.device.receiveHead = 0
      bench.device.fill(FakeBench.frame(60))
      bench.settle()
      #expect(bench.client.frames.count == 5)
    }
  }

  @Test("dropped frames and the link show up in the event stream")
  func events() throws {
    let bench = try FakeBench(starting: false)
    var seen: [Event] = []
    bench.tap.attach { seen.append($0.event) }
    try bench.driver.start()
    bench.device.fill(FakeBench.frame(60))
    bench.device.fill(FakeBench.frame(60), errors: .crc)
    bench.settle()
    #expect(
      seen == [
        .stateChange(object: "enp0s3f0", from: "down", to: "up"),
        .frame(direction: "rx", length: 60, summary: "enp0s3f0"),
        .dropped(reason: "enp0s3f0: damaged on the wire", length: 60),
      ])
  }
}
