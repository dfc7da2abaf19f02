import LinuxABI

extension Session {
  /// From here on nothing that arrives is taken: what the peer sends stays unacknowledged.
  func dropAll(_ s: Int, line: Int = #line) async {
    // BPF_RET | BPF_K, 0
    let code = put([0x06, 0, 0, 0, 0, 0, 0, 0])
    let program = put([1, code].withUnsafeBytes { Array($0) })
    await call(.setsockopt, s, 1, Int(OptionName.SO_ATTACH_FILTER), Int(program), 16, line: line)
  }

  func takeAll(_ s: Int, line: Int = #line) async { await set(s, 1, OptionName.SO_DETACH_FILTER, 0, line: line) }
}
