import QEMU
import Testing

@Suite("The arguments of a QEMU with our devices")
struct GuestArgumentsTests {
  @Test(
    "bring memory that can be shared, of the size that -m asks for",
    arguments: [
      (["-m", "512"], "512M"), (["-m", "2G"], "2G"), (["--m", "size=1g,slots=2,maxmem=4G"], "1G"), ([], "128M"),
      (["-m", "64M", "-m", "96M"], "96M"),
    ])
  func memory(user: [String], size: String) throws {
    let all = try GuestArguments(user, sockets: ["nic.sock"]).all
    #expect(all.contains("memory-backend-memfd,id=wirebench-memory,size=\(size),share=on"))
    #expect(all.contains("memory-backend=wirebench-memory"))
    #expect(Array(all.suffix(user.count)) == user)
  }

  @Test("leave a memory backend of the user's alone")
  func ownBackend() throws {
    let user = [
      "-object", "memory-backend-file,id=x,size=1G,share=on,mem-path=/dev/shm/x", "-M", "q35,memory-backend=x",
    ]
    let all = try GuestArguments(user, sockets: ["nic.sock"]).all
    #expect(!all.contains { $0.contains("wirebench-memory") })
  }

  @Test("name each socket in a device of its own, whatever characters are in its path")
  func devices() throws {
    let all = try GuestArguments([], sockets: ["a b.sock", #"c"\,d.sock"#]).all
    let devices = zip(all, all.dropFirst()).filter { $0.0 == "-device" }.map(\.1)
    #expect(
      devices == [
        #"{"driver":"vfio-user-pci","socket":{"type":"unix","path":"a b.sock"}}"#,
        #"{"driver":"vfio-user-pci","socket":{"type":"unix","path":"c\"\\,d.sock"}}"#,
      ])
  }

  @Test(
    "give QEMU no card of its own, unless the user has something to say about the network",
    arguments: [
      ([], true), (["-netdev", "user,id=n"], false), (["--nodefaults"], false), (["-display", "none"], true),
    ])
  func ownNetwork(user: [String], none: Bool) throws {
    let all = try GuestArguments(user, sockets: ["nic.sock"]).all
    #expect(zip(all, all.dropFirst()).contains { $0 == ("-nic", "none") } == none)
  }

  @Test(
    "say what is wrong with a size", arguments: [["-m", "much"], ["-m", "0"], ["-m", "-5M"], ["-m", "5X"], ["-m"]])
  func badSize(user: [String]) {
    #expect(throws: QEMUError.self) { try GuestArguments(user, sockets: ["nic.sock"]) }
  }
}
