import Bench
import Foundation
import Testing

extension RealThings {
  @Suite("Large files from real servers") struct TransferTests {
    /// Fetches `name` and expects the very bytes of the served file.
    private func fetch(
      _ content: OriginContent, from kind: WebServer.Kind, _ options: [String] = [], limit: Double
    ) async throws {
      let served = try TemporaryFolder()
      let folder = try TemporaryFolder()
      try served.write(content, to: "file")
      let server = try await WebServer.start(kind, serving: served)
      let arguments = ["fetch", server.url("file"), "-O", "copy", "--sha256", content.digest]
      _ = try await WorkbenchProgram.succeed(arguments + options, in: folder, limit: limit)
      let isIdentical = try folder.contents("copy") == served.contents("file")
      #expect(isIdentical)
    }

    @Test("256 MiB arrive identical", arguments: WebServer.Kind.allCases)
    func large(_ kind: WebServer.Kind) async throws {
      try await fetch(OriginContent(byteCount: 256 << 20, seed: 1), from: kind, limit: 60)
    }

    @Test(
      "16 MiB arrive identical over a bad wire",
      arguments: ["loss=1%,reorder=2%,duplicate=1%,delay=1ms±500us", "corrupt=0.5%"])
    func impaired(_ faults: String) async throws {
      let content = OriginContent(byteCount: 16 << 20, seed: 2)
      try await fetch(content, from: .nginx, ["--impair", faults, "--seed", "7"], limit: 120)
    }
  }
}
