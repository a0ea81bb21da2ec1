import Foundation

/// A port of 127.0.0.1 on which a server we started is about to listen.
package struct ListeningPort {
    let port: Int

    package init(_ port: Int) { self.port = port }

    /// Waits until a connection is taken. Ends the process and throws what is in its log where that does not come to pass.
    package func wait(for process: RunningProcess, log: String, within limit: Duration = .seconds(10)) async throws {
        do {
            try await eventually("\(process.name) to listen on \(port)", within: limit) {
                if process.exitStatus != nil { throw CancellationError() }
                // Until it listens, refusing is what a connection does.
                return (try? await LoopbackConnection.open(to: .loopback(port: port))) != nil
            }
        } catch {
            try await process.end()
            let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? "nothing in its log"
            throw ServerDidNotStart(name: process.name, log: text)
        }
    }
}

/// A server ended, or did not listen in time.
package struct ServerDidNotStart: Error, CustomStringConvertible {
    /// The command.
    package let name: String
    /// What it had to say.
    package let log: String

    package var description: String { "\(name) did not start: \(log)" }
}
