// swift-tools-version: 6.2
import PackageDescription

/// Every module is compiled in the Swift 6 mode with warnings as errors. `Lifetimes` lets header views depend on the
/// bytes they look at; none of these settings is an unsafe flag.
let settings: [SwiftSetting] = [
  .treatAllWarnings(as: .error),
  .enableExperimentalFeature("Lifetimes"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .enableUpcomingFeature("ExistentialAny"),
]

/// Modules of the data path: `unsafe` may not appear in them unmarked.
let memorySafe = settings + [.strictMemorySafety()]

func module(
  _ name: String, imports: [Target.Dependency] = [], settings: [SwiftSetting] = memorySafe
) -> Target {
  .target(name: name, dependencies: imports, swiftSettings: settings)
}

func tests(_ name: String, imports: [Target.Dependency]) -> Target {
  .testTarget(name: name, dependencies: imports, swiftSettings: settings)
}

/// The arrows of the picture in README.md, and no others.
let modules: [Target] = [
  .target(name: "CLinux"),
  .systemLibrary(name: "CSlirp"),
  module("Memory", imports: ["CLinux"]),
  module("Packets"),
  module("EventLoop", imports: ["CLinux"], settings: settings),
  module("Events", imports: ["EventLoop"]),
  module("Link", imports: ["Memory", "Packets"]),
  module("Machine", imports: ["CLinux", "Memory", "EventLoop", "Events"]),
  module("IntelNIC"),
  module("NICModels", imports: ["Machine", "IntelNIC", "Memory", "EventLoop", "Events", "Link", "Packets"]),
  module("NICDrivers", imports: ["Machine", "IntelNIC", "Memory", "EventLoop", "Events", "Link", "Packets"]),
  module("PacketCapture", imports: ["Packets"], settings: settings),
  module(
    "Wires",
    imports: ["CLinux", "CSlirp", "Memory", "EventLoop", "Events", "Link", "Packets", "PacketCapture"],
    settings: settings),
  module("VfioUser", imports: ["CLinux", "Memory", "EventLoop", "Events", "Machine"], settings: settings),
  module(
    "NetStack",
    imports: [
      "Memory", "EventLoop", "Events", "Link", "Packets", .product(name: "Crypto", package: "swift-crypto"),
    ]),
  module(
    "QEMU", imports: ["CLinux", "Memory", "EventLoop", "Events", "Machine"], settings: settings),
  module("Sockets", imports: ["NetStack", "EventLoop", "Events", "Packets"], settings: settings),
  module("LinuxABI", imports: ["Sockets", "EventLoop", "Events", "Packets"], settings: settings),
  module(
    "Bench",
    imports: [
      "CLinux", "Memory", "EventLoop", "Events", "Link", "Packets", "Machine", "IntelNIC", "NICModels", "NICDrivers",
      "PacketCapture", "Wires", "NetStack", "Sockets", "LinuxABI", "VfioUser", "QEMU",
      .product(name: "Hummingbird", package: "hummingbird"),
      .product(name: "NIOCore", package: "swift-nio"),
      .product(name: "NIOEmbedded", package: "swift-nio"),
      .product(name: "NIOHTTP1", package: "swift-nio"),
      .product(name: "Crypto", package: "swift-crypto"),
      .product(name: "Logging", package: "swift-log"),
      .product(name: "Yams", package: "Yams"),
    ], settings: settings),
  .executableTarget(
    name: "workbench",
    dependencies: [
      "Bench", "Machine", "IntelNIC", "NetStack", "Wires", "Packets", "EventLoop", "QEMU",
      .product(name: "ArgumentParser", package: "swift-argument-parser"),
    ],
    swiftSettings: settings),
  .executableTarget(
    name: "measure",
    dependencies: [
      "Bench", "LinuxABI", "NICDrivers", "NICModels", "IntelNIC", "Machine", "Wires", "Link", "Packets", "Memory",
      "Events", "EventLoop", .product(name: "ArgumentParser", package: "swift-argument-parser"),
    ], swiftSettings: settings),
]

let testTargets: [Target] = [
  tests("MemoryTests", imports: ["Memory"]),
  tests("PacketsTests", imports: ["Packets"]),
  tests("EventLoopTests", imports: ["EventLoop", "CLinux"]),
  tests("EventsTests", imports: ["Events", "EventLoop"]),
  tests("MachineTests", imports: ["Machine", "Memory", "EventLoop", "Events"]),
  tests(
    "NICModelsTests",
    imports: ["NICModels", "IntelNIC", "Machine", "Memory", "EventLoop", "Events", "Link", "Packets"]),
  tests(
    "NICDriversTests",
    imports: [
      "NICDrivers", "NICModels", "IntelNIC", "Machine", "Memory", "EventLoop", "Events", "Link", "Packets",
    ]),
  tests("PacketCaptureTests", imports: ["PacketCapture", "Packets"]),
  tests(
    "WiresTests", imports: ["Wires", "PacketCapture", "EventLoop", "Events", "Link", "Memory", "Packets"]),
  tests(
    "QEMUTests",
    imports: [
      "QEMU", "NICDrivers", "Sockets", "NetStack", "Machine", "Memory", "EventLoop", "Events", "Link", "Packets",
    ]),
  tests(
    "VfioUserTests",
    imports: [
      "VfioUser", "NICModels", "NICDrivers", "IntelNIC", "Wires", "Machine", "Memory", "CLinux", "EventLoop", "Events",
      "Link", "Packets",
    ]),
  tests("NetStackTests", imports: ["NetStack", "Memory", "EventLoop", "Events", "Link", "Packets"]),
  tests("SocketsTests", imports: ["Sockets", "NetStack", "Memory", "EventLoop", "Events", "Link", "Packets"]),
  tests(
    "LinuxABITests",
    imports: ["LinuxABI", "Sockets", "NetStack", "Memory", "EventLoop", "Events", "Link", "Packets"]),
  tests(
    "BenchTests",
    imports: [
      "Bench", "LinuxABI", "Sockets", "NetStack", "Wires", "PacketCapture", "Machine", "Memory", "EventLoop",
      "Events", "Link", "Packets",
    ]),
  tests("GuestTests", imports: []),
]

let package = Package(
  name: "wirebench",
  products: [.executable(name: "workbench", targets: ["workbench"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
  ],
  targets: modules + testTargets,
  swiftLanguageModes: [.v6]
)

/// With WIREBENCH_FUZZ in the environment the package is another one: the fuzz targets and the modules they need,
/// compiled for libFuzzer and AddressSanitizer (scripts/fuzz). What ships has no unsafe flags.
if Context.environment["WIREBENCH_FUZZ"] != nil {
  let modelModules = ["NICModels", "IntelNIC", "Machine", "Memory", "EventLoop", "Events", "Link", "Packets"]
  let fuzzTargets = [("FuzzModel", modelModules), ("FuzzVfioUser", modelModules + ["VfioUser", "CLinux"])]
  let kept = Set(fuzzTargets.flatMap { $0.1 })
  let sanitizers = ["-sanitize=fuzzer,address"]
  package.products = []
  package.dependencies = []
  package.targets = package.targets.filter { kept.contains($0.name) }
  package.targets.append(.target(name: "CFuzzer"))
  package.targets.append(.target(name: "FuzzScript", dependencies: ["CFuzzer"], swiftSettings: settings))
  for (name, imports) in fuzzTargets {
    package.targets.append(
      .executableTarget(
        name: name, dependencies: imports.map { .byName(name: $0) } + ["FuzzScript"], swiftSettings: settings,
        linkerSettings: [.unsafeFlags(sanitizers + ["-use-ld=lld"])]))
  }
  for target in package.targets where target.swiftSettings != nil {
    target.swiftSettings?.append(.unsafeFlags(sanitizers + ["-parse-as-library"]))
  }
}
