import RealParts

extension Site {
    /// Opens a terminal at which `bittern` talks to this site's daemon.
    func terminal<Value>(
        size: TerminalScreen.Size = .init(columns: 100, rows: 30),
        environment: [String: String] = [:],
        _ body: (TerminalScreen) async throws -> Value
    ) async throws -> Value {
        let own = ["BITTERN_SOCKET": daemon.setup.controlSocket]
        return try await TerminalScreen.open(size: size, environment: own.merging(environment) { _, given in given }, body)
    }
}
