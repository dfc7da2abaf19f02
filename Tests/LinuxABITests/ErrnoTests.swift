import Glibc
import LinuxABI
import Testing

@Suite("Error numbers have Linux's names")
struct ErrnoTests {
  @Test("each says what strerror says")
  func messages() {
    for number in Int32(1)...133 {
      let errno = Errno(rawValue: number)
      guard errno.name != "E\(number)" else { continue }
      #expect(errno.message == String(cString: strerror(number)))
    }
  }

  @Test("those that calls throw have a name")
  func names() {
    let thrown: [Errno] = [.EEXIST, .EXDEV, .ERANGE, .ENOTSOCK, .ENOPKG, .EADDRNOTAVAIL, .EDOM, .ENODATA]
    #expect(
      thrown.map(\.name) == [
        "EEXIST", "EXDEV", "ERANGE", "ENOTSOCK", "ENOPKG", "EADDRNOTAVAIL", "EDOM", "ENODATA",
      ])
    #expect(Errno(rawValue: 525).description == "Unknown error 525 (E525)")
  }
}
