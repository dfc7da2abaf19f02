import Glibc
import Machine
import Memory

/// The client's memory.
extension ServerConnection {
  func map(_ mapping: DMAMapping) throws(VfioUserRefusal) {
    let descriptor = try takeDescriptor()
    defer { if let descriptor { close(descriptor) } }
    guard mapping.flags & ~(DMAMapping.readable | DMAMapping.writable) == 0, mapping.flags & DMAMapping.readable != 0
    else { throw .badMapping }
    guard mapping.size > 0, mapping.size <= UInt64(Int.max / 2),
      !mapping.address.addingReportingOverflow(mapping.size - 1).overflow
    else { throw .badMappingRange }
    guard mappings.count < Self.mostMappings else { throw .tooManyMappings }
    let writable = mapping.flags & DMAMapping.writable != 0
    var memory: ClientMemory?
    if let descriptor {
      memory = try ClientMemory(descriptor, offset: mapping.offset, size: mapping.size, writable: writable)
    }
    do throws(MachineError) {
      if let memory {
        try slot.dma.map(memory.window, at: mapping.address, writable: writable)
      } else {
        try slot.dma.map(self, at: mapping.address, byteCount: mapping.size, writable: writable)
      }
    } catch {
      throw .overlappingMapping
    }
    mappings.append(Mapping(address: mapping.address, size: mapping.size, memory: memory))
    tally.count.mappings &+= 1
  }

  func unmap(_ unmapping: DMAUnmapping) throws(VfioUserRefusal) {
    guard unmapping.flags & ~DMAUnmapping.all == 0 else { throw .badMapping }
    if unmapping.flags == DMAUnmapping.all {
      guard unmapping.address == 0, unmapping.size == 0 else { throw .badMapping }
      return unmapAll()
    }
    guard let index = mappings.firstIndex(where: { $0.address == unmapping.address && $0.size == unmapping.size })
    else { throw .unknownMapping }
    slot.dma.unmap(start: unmapping.address, byteCount: unmapping.size)
    mappings.swapAt(index, mappings.count - 1)
    if let memory = mappings.removeLast().memory, isExchanging { retired.append(memory) }
    tally.count.unmappings &+= 1
  }

  func unmapAll() {
    for mapping in mappings {
      slot.dma.unmap(start: mapping.address, byteCount: mapping.size)
      if let memory = mapping.memory, isExchanging { retired.append(memory) }
    }
    mappings = []
  }
}
