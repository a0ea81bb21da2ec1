import Foundation
import RealParts

extension Site {
    /// A command that says that it has begun, and ends when ``open(_:)`` has been called.
    static func gate(_ name: String) -> String {
        "touch @DIR@/\(name).begun; until [ -e @DIR@/\(name).open ]; do sleep 0.02; done"
    }

    /// Waits until a step has come to its gate.
    func reached(_ name: String) async throws {
        try await eventually("a step at gate \(name)") { exists("\(name).begun") }
    }

    /// Lets the steps at this gate go on, also those that come later.
    func open(_ name: String) throws {
        try Data().write(to: URL(filePath: daemon.setup.path("\(name).open")))
    }

    /// Has the steps that come to this gate wait again.
    func shut(_ name: String) throws {
        for file in ["\(name).open", "\(name).begun"] { try FileManager.default.removeItem(atPath: daemon.setup.path(file)) }
    }
}
