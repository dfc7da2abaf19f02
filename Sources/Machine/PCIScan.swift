/// The functions that a bus scan found.
public struct PCIScanResult: Sendable {}
