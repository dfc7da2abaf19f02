/// What the machine refuses.
public enum MachineError: Error, Equatable, CustomStringConvertible {
  case outOfMemory(byteCount: Int)
  case dmaMapping(start: UInt64, byteCount: Int, reason: String)
  /// Memory was given back that is not, or no longer, allocated.
  case notAllocated(busAddress: UInt64)
  case slotTaken(PCIAddress)
  case badSlot(PCIAddress, reason: String)
  case badBAR(index: Int, reason: String)
  case badCapability(id: UInt8, reason: String)
  case noAddressSpace(bar: Int, byteCount: UInt64)
  case sharedMemory(String)

  public var description: String {
    switch self {
    case .outOfMemory(let byteCount): "guest memory has no \(byteCount) contiguous bytes left for DMA"
    case .dmaMapping(let start, let byteCount, let reason):
      "DMA mapping of \(byteCount) bytes at 0x\(String(start, radix: 16)) refused: \(reason)"
    case .notAllocated(let busAddress): "no DMA memory is allocated at 0x\(String(busAddress, radix: 16))"
    case .slotTaken(let address): "PCI slot \(address) already holds a function"
    case .badSlot(let address, let reason): "PCI slot \(address): \(reason)"
    case .badBAR(let index, let reason): "base address register \(index): \(reason)"
    case .badCapability(let id, let reason): "capability 0x\(String(id, radix: 16)): \(reason)"
    case .noAddressSpace(let bar, let byteCount): "no room in the bus's window for \(byteCount) bytes of BAR \(bar)"
    case .sharedMemory(let reason): reason
    }
  }
}
