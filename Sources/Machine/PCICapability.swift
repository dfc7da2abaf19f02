import Memory

extension ConfigurationSpace {
  /// Appends a capability to the list: its two header bytes, then `bytes`.
  ///
  /// - Parameters:
  ///   - bytes: what follows the identifier and the next pointer.
  ///   - writeMask: the bits of `bytes` that software may write; missing bytes are read-only.
  ///   - clearMask: the bits that software clears by writing 1.
  ///   - place: its offset (a multiple of four, 0x40 or more), or nil for the first free one.
  /// - Returns: the capability's offset.
  @discardableResult
  public func addCapability(
    id: UInt8, bytes: [UInt8], writeMask: [UInt8] = [], clearMask: [UInt8] = [], at place: Int? = nil
  ) throws(MachineError) -> Int {
    let offset = place ?? nextCapability
    guard !isSettled else { throw .badCapability(id: id, reason: "the function is already plugged in") }
    guard offset >= PCIRegister.firstDeviceSpecific, offset & 3 == 0, offset + 2 + bytes.count <= 256 else {
      throw .badCapability(id: id, reason: "no room for \(bytes.count + 2) bytes at offset \(offset)")
    }
    guard writeMask.count <= bytes.count, clearMask.count <= bytes.count else {
      throw .badCapability(id: id, reason: "a mask is longer than the capability")
    }
    let extent = offset..<offset + 2 + bytes.count
    guard !capabilityExtents.contains(where: { $0.overlaps(extent) }) else {
      throw .badCapability(id: id, reason: "offset \(offset) is taken")
    }
    set(UInt32(id), at: offset, size: 1)
    for (index, byte) in bytes.enumerated() { set(UInt32(byte), at: offset + 2 + index, size: 1) }
    for (index, mask) in writeMask.enumerated() { allowWrites(UInt32(mask), at: offset + 2 + index, size: 1) }
    for (index, mask) in clearMask.enumerated() { allowClearing(UInt32(mask), at: offset + 2 + index, size: 1) }

    let pointer = lastCapability == 0 ? PCIRegister.capabilitiesPointer : lastCapability + 1
    set(UInt32(offset), at: pointer, size: 1)
    set(get(PCIRegister.status, size: 2) | UInt32(PCIStatus.capabilitiesList.rawValue), at: PCIRegister.status, size: 2)
    lastCapability = offset
    capabilityExtents.append(extent)
    nextCapability = max(nextCapability, (offset + 2 + bytes.count + 3) & ~3)
    return offset
  }

  /// Power management, version 2 (PCI Bus Power Management Interface Specification 1.1, 3.2): D0 and D3hot, no PME#
  /// unless `pmeSupport` (bits 15:11 of PMC) says so.
  @discardableResult
  public func addPowerManagement(pmeSupport: UInt8 = 0, at place: Int? = nil) throws(MachineError) -> Int {
    let capabilities = UInt16(pmeSupport & 0x1F) << 11 | 2
    // PMCSR: power state and PME_En may be written, PME_Status is cleared by 1.
    return try addCapability(
      id: PCICapabilityID.powerManagement, bytes: [UInt8(capabilities & 0xFF), UInt8(capabilities >> 8), 0, 0, 0, 0],
      writeMask: [0, 0, 0x03, pmeSupport == 0 ? 0 : 0x01], clearMask: [0, 0, 0, pmeSupport == 0 ? 0 : 0x80], at: place)
  }

  /// PCI-X of a device of 64 bits and 133 MHz (PCI-X Addendum to the PCI Local Bus Specification 1.0a, 7.2): one split
  /// transaction at a time, reads of up to 2048 bytes. Where it is (bus FFh, device 1Fh at first) the function finds
  /// out from the bus.
  @discardableResult
  public func addPCIX(at place: Int? = nil) throws(MachineError) -> Int {
    // Software allows relaxed ordering (set at first), larger reads and more transactions, and clears three errors.
    try addCapability(
      id: PCICapabilityID.pcix, bytes: [0x02, 0x00, 0xF8, 0xFF, 0x43, 0x04], writeMask: [0x7F],
      clearMask: [0, 0, 0, 0, 0x0C, 0x20], at: place)
  }

  /// Message signalled interrupts (6.8.1), without per-vector masking; `vectors` is a power of two up to 32.
  @discardableResult
  public func addMSI(
    vectors: Int = 1, address64Bit: Bool = true, at place: Int? = nil
  ) throws(MachineError) -> Int {
    guard vectors > 0, vectors <= 32, vectors & (vectors - 1) == 0 else {
      throw .badCapability(id: PCICapabilityID.msi, reason: "\(vectors) vectors: not a power of two up to 32")
    }
    let control: UInt8 = UInt8(vectors.trailingZeroBitCount) << 1 | (address64Bit ? 0x80 : 0)
    let address: [UInt8] = [0xFC, 0xFF, 0xFF, 0xFF] + (address64Bit ? [0xFF, 0xFF, 0xFF, 0xFF] : [])
    let mask: [UInt8] = [0x71, 0] + address + [0xFF, 0xFF]
    return try addCapability(
      id: PCICapabilityID.msi, bytes: [control, 0] + [UInt8](repeating: 0, count: mask.count - 2), writeMask: mask,
      at: place)
  }

  /// MSI-X (6.8.2) with `vectors` (1...2048) entries; table and pending bits lie at offsets (multiples of eight) of
  /// the given base address registers.
  @discardableResult
  public func addMSIX(
    vectors: Int, tableBAR: Int, tableOffset: UInt32, pendingBAR: Int, pendingOffset: UInt32, at place: Int? = nil
  ) throws(MachineError) -> Int {
    guard vectors > 0, vectors <= 2048, (0..<6).contains(tableBAR), (0..<6).contains(pendingBAR),
      tableOffset & 7 == 0, pendingOffset & 7 == 0
    else { throw .badCapability(id: PCICapabilityID.msix, reason: "bad number of vectors, register or offset") }
    func bytes(_ word: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) } }
    let control = UInt16(vectors - 1)
    return try addCapability(
      id: PCICapabilityID.msix,
      bytes: [UInt8(control & 0xFF), UInt8(control >> 8)] + bytes(tableOffset | UInt32(tableBAR))
        + bytes(pendingOffset | UInt32(pendingBAR)),
      writeMask: [0, 0xC0], at: place)
  }
}
