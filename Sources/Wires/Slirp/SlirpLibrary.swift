import CSlirp
import Glibc

/// libslirp, loaded when the first user network is made: a machine without it still runs everything else, and gets an
/// error that says what is missing instead of a program that does not start.
///
/// The members are the functions of `libslirp.h` under their names, without `slirp_`.
struct SlirpLibrary {
  typealias New =
    @convention(c) (
      UnsafePointer<SlirpConfig>?, UnsafePointer<SlirpCb>?, UnsafeMutableRawPointer?
    ) -> OpaquePointer?
  typealias Fill =
    @convention(c) (OpaquePointer?, UnsafeMutablePointer<UInt32>?, SlirpAddPollCb?, UnsafeMutableRawPointer?) -> Void
  typealias Poll = @convention(c) (OpaquePointer?, Int32, SlirpGetREventsCb?, UnsafeMutableRawPointer?) -> Void
  typealias AddForward =
    @convention(c) (
      OpaquePointer?, UnsafePointer<sockaddr>?, socklen_t, UnsafePointer<sockaddr>?, socklen_t, Int32
    ) -> Int32
  typealias RemoveForward =
    @convention(c) (OpaquePointer?, UnsafePointer<sockaddr>?, socklen_t, Int32) -> Int32

  let new: New
  let cleanup: @convention(c) (OpaquePointer?) -> Void
  let input: @convention(c) (OpaquePointer?, UnsafePointer<UInt8>?, Int32) -> Void
  let pollfdsFill: Fill
  let pollfdsPoll: Poll
  let handleTimer: @convention(c) (OpaquePointer?, SlirpTimerId, UnsafeMutableRawPointer?) -> Void
  let addHostForward: AddForward
  let removeHostForward: RemoveForward
  let connectionInfo: @convention(c) (OpaquePointer?) -> UnsafeMutablePointer<CChar>?
  let versionString: @convention(c) () -> UnsafePointer<CChar>?

  /// The name under which every distribution installs the library's current ABI.
  static let fileName = "libslirp.so.0"

  /// - Throws: ``SlirpError/libraryMissing(reason:)``.
  init() throws(SlirpError) {
    guard let handle = dlopen(Self.fileName, RTLD_NOW | RTLD_LOCAL) else {
      throw .libraryMissing(reason: dlerror().map { String(cString: $0) } ?? Self.fileName)
    }
    // The library stays loaded: other networks may use it, and loading it again costs nothing.
    func symbol<T>(_ name: String, as type: T.Type) throws(SlirpError) -> T {
      guard let address = dlsym(handle, "slirp_" + name) else {
        throw .libraryMissing(reason: "\(Self.fileName) has no slirp_\(name); version 4.7 or newer is needed")
      }
      return unsafeBitCast(address, to: type)
    }
    new = try symbol("new", as: New.self)
    cleanup = try symbol("cleanup", as: (@convention(c) (OpaquePointer?) -> Void).self)
    input = try symbol("input", as: (@convention(c) (OpaquePointer?, UnsafePointer<UInt8>?, Int32) -> Void).self)
    pollfdsFill = try symbol("pollfds_fill", as: Fill.self)
    pollfdsPoll = try symbol("pollfds_poll", as: Poll.self)
    handleTimer = try symbol(
      "handle_timer", as: (@convention(c) (OpaquePointer?, SlirpTimerId, UnsafeMutableRawPointer?) -> Void).self)
    addHostForward = try symbol("add_hostxfwd", as: AddForward.self)
    removeHostForward = try symbol("remove_hostxfwd", as: RemoveForward.self)
    connectionInfo = try symbol(
      "connection_info", as: (@convention(c) (OpaquePointer?) -> UnsafeMutablePointer<CChar>?).self)
    versionString = try symbol("version_string", as: (@convention(c) () -> UnsafePointer<CChar>?).self)
  }
}
