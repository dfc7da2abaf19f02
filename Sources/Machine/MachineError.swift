/// What the machine refuses.
public enum MachineError: Error, Equatable, CustomStringConvertible {
  case outOfMemory(byteCount: Int)
  case dmaMapping(start: UInt64, byteCount: Int, reason: String)
  case slotTaken(PCIAddress)
  case badBAR(index: Int, reason: String)
  case noAddressSpace(bar: Int, byteCount: UInt64)
  case sharedMemory(String)

  public var description: String {
    switch self {
    case .outOfMemory(let byteCount): "guest memory has no \(byteCount) contiguous bytes left for DMA"
    case .dmaMapping(let start, let byteCount, let reason):
      "DMA mapping of \(byteCount) bytes at 0x\(String(start, radix: 16)) refused: \(reason)"
    case .slotTaken(let address): "PCI slot \(address) already holds a function"
    case .badBAR(let index, let reason): "base address register \(index): \(reason)"
    case .noAddressSpace(let bar, let byteCount): "no room in the bus's window for \(byteCount) bytes of BAR \(bar)"
    case .sharedMemory(let reason): reason
    }
  }
}
