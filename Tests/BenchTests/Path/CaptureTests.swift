import Bench
import Foundation
import Testing

extension RealThings {
  @Suite("Captures, read by tshark") struct CaptureTests {
    @Test(
      "a clean fetch shows no damaged frame, no bad checksum and no unexpected segment",
      arguments: [
        [], ["--no-segmentation-offload"], ["--no-segmentation-offload", "--no-checksum-offload"], ["--mtu", "9000"],
      ])
    func cleanFetch(_ options: [String]) async throws {
      let origin = try await OriginServer.start()
      let folder = try TemporaryFolder()
      let arguments = ["fetch", "http://10.0.2.2:\(origin.port)/bytes/4194304", "--capture", "frames.pcapng"]
      _ = try await WorkbenchProgram.succeed(arguments + options, in: folder)
      await origin.stop()
      try await Tshark.expectClean(folder.file("frames.pcapng"), least: 480)
      let requests = try await Tshark.frames(folder.file("frames.pcapng"), "http.request")
      #expect(requests.count == 1)
    }

    @Test(
      "a large body that the bench sends is cut into clean segments", arguments: [[], ["--no-segmentation-offload"]])
    func cleanUpload(_ options: [String]) async throws {
      let origin = try await OriginServer.start()
      let folder = try TemporaryFolder()
      try folder.write(OriginContent(byteCount: 2 << 20), to: "body")
      let url = "http://10.0.2.2:\(origin.port)/echo"
      _ = try await WorkbenchProgram.succeed(
        ["fetch", url, "--body", "@body", "-O", "echo", "--capture", "frames.pcapng"] + options, in: folder)
      await origin.stop()
      try await Tshark.expectClean(folder.file("frames.pcapng"), least: 2800)
      let large = try await Tshark.frames(folder.file("frames.pcapng"), "frame.len > 1514")
      #expect(large.isEmpty, "\(large.prefix(3))")
    }

    @Test("pings are clean, fragments too", arguments: [56, 4000])
    func ping(_ size: Int) async throws {
      let folder = try TemporaryFolder()
      let arguments = ["ping", "10.0.2.2", "-c", "5", "-i", "0.02", "-s", "\(size)", "--capture", "frames.pcapng"]
      _ = try await WorkbenchProgram.succeed(arguments, in: folder)
      try await Tshark.expectClean(folder.file("frames.pcapng"), least: 10)
      let replies = try await Tshark.frames(folder.file("frames.pcapng"), "icmp.type == 0 && icmp.resp_to")
      #expect(replies.count == 5)
    }

    @Test("a lossy fetch does show retransmissions: the filters find what they look for")
    func lossyFetch() async throws {
      let origin = try await OriginServer.start()
      let folder = try TemporaryFolder()
      let arguments = ["fetch", "http://10.0.2.2:\(origin.port)/bytes/1048576", "--capture", "frames.pcapng"]
      _ = try await WorkbenchProgram.succeed(
        arguments + ["--impair", "in.loss=3%,in.corrupt=2%", "--seed", "3"], in: folder, limit: 60)
      await origin.stop()
      #expect(try await !Tshark.frames(folder.file("frames.pcapng"), Tshark.unexpected).isEmpty)
      #expect(try await !Tshark.frames(folder.file("frames.pcapng"), Tshark.damaged).isEmpty)
    }
  }
}
