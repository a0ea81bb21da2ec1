import Foundation

/// The program under test.
package enum BitternBinary {
    /// Its absolute path: `$BITTERN_BINARY`, or the one that was built along with the tests.
    package static func path() throws -> String {
        if let given = ProcessInfo.processInfo.environment["BITTERN_BINARY"] { return given }
        let manager = FileManager.default
        // /proc/self/exe is the test bundle's own program on Linux; the other two are for other ways to start it.
        let own = try? manager.destinationOfSymbolicLink(atPath: "/proc/self/exe")  // not there: the others are
        let starts = [own, CommandLine.arguments.first, Bundle.main.executablePath].compactMap { $0 }
        for start in starts {
            var directory = URL(filePath: start).standardizedFileURL.deletingLastPathComponent()
            for _ in 0..<3 {
                let candidate = directory.appending(path: "bittern").path
                var isDirectory: ObjCBool = false
                let exists = manager.fileExists(atPath: candidate, isDirectory: &isDirectory)
                if exists, !isDirectory.boolValue, manager.isExecutableFile(atPath: candidate) { return candidate }
                directory.deleteLastPathComponent()
            }
        }
        throw BinaryNotFound(searchedAbove: starts)
    }
}

/// No program called `bittern` is beside the tests.
package struct BinaryNotFound: Error, CustomStringConvertible {
    /// Files in whose directory, and two above it, it was looked for.
    package let searchedAbove: [String]

    package var description: String {
        "no bittern beside \(searchedAbove.joined(separator: ", ")); build it first (swift build), or set BITTERN_BINARY"
    }
}
