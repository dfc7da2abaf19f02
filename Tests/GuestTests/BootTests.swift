import Foundation
import Testing

extension GuestTests {
  @Suite("iPXE boots over the NIC")
  struct Boot {
    /// iPXE's ROM is for 8086:100e only.
    static let nics = GuestNIC.all.filter { $0 != .model(.i82545EM) }

    @Test("a program from our TFTP runs", arguments: nics)
    func boot(nic: GuestNIC) throws {
      let folder = try Folder()
      let marker = "booted \(UInt32.random(in: 0...UInt32.max))\n"
      try BootProgram.printing(marker).write(to: URL(fileURLWithPath: folder.file("program")))
      let cabling = Cabling(boot: (folder: folder.path, file: "program"))
      var device: DeviceProcess?
      if case .model(let model) = nic { device = try DeviceProcess(model, cabling) }
      defer { device?.terminate() }
      let qemu = try Guest.start(devices: (device?.arguments ?? cabling.ownArguments) + ["-boot", "n"], folder: folder)
      defer { qemu.kill() }
      let booted = waitUntil(limit: 90) { folder.tail("console").contains(marker) || !qemu.isRunning }
      #expect(booted && qemu.isRunning, "\(folder.tail("console")) \(qemu.errors) \(device?.errors ?? "")")
    }
  }
}

/// A boot program of the kind that a PXE ROM loads at 0000:7C00.
enum BootProgram {
  /// Prints `text` on the first serial port, and halts.
  static func printing(_ text: String) -> Data {
    let code: [UInt8] = [
      0xFA,  // cli
      0xFC,  // cld
      0x31, 0xC0,  // xor ax, ax
      0x8E, 0xD8,  // mov ds, ax
      0xBE, 0x22, 0x7C,  // mov si, text
      0xAC,  // next: lodsb
      0x84, 0xC0,  // test al, al
      0x74, 0x11,  // jz done
      0x88, 0xC4,  // mov ah, al
      0xBA, 0xFD, 0x03,  // mov dx, 0x3FD: line status
      0xEC,  // wait: in al, dx
      0xA8, 0x20,  // test al, 0x20: room for a byte
      0x74, 0xFB,  // jz wait
      0x88, 0xE0,  // mov al, ah
      0xB2, 0xF8,  // mov dl, 0xF8
      0xEE,  // out dx, al
      0xEB, 0xEA,  // jmp next
      0xF4,  // done: hlt
      0xEB, 0xFD,  // jmp done
    ]
    precondition(code.count == 0x22)
    return Data(code) + Data(text.utf8) + [0]
  }
}
