import Domain
import Exec
import Foundation
import RealParts
import Testing

@Suite struct StateDirectoryTests {
    @Test("only directories below logs that are named by a job's number are logs")
    func jobsWithLogs() async throws {
        try await withTemporaryDirectory { directory in
            let state = StateDirectory(path: directory.path)
            try state.prepare()
            for name in ["7", "12", "007", "-3", "0", "x", "9 ", "99999999999999999999"] { try directory.makeDirectory("logs/\(name)") }
            try directory.write("", to: "logs/5")
            try FileManager.default.createSymbolicLink(atPath: directory.path("logs/6"), withDestinationPath: "7")
            #expect(Set(state.jobsWithLogs()) == [7, 12])
        }
    }

    @Test("where there are no logs there is nothing to tell")
    func none() async throws {
        try await withTemporaryDirectory { directory in
            #expect(StateDirectory(path: directory.path).jobsWithLogs() == [])
        }
    }

    @Test("the logs of a job are removed whole, and no others; removing them twice is no error")
    func removeLogs() async throws {
        try await withTemporaryDirectory { directory in
            let state = StateDirectory(path: directory.path)
            let old = state.log(StepID(job: 7, start: 1, position: 0), step: "fetch")
            let young = state.log(StepID(job: 71, start: 1, position: 0), step: "fetch")
            for path in [old, young] { try directory.write("output", to: String(path.dropFirst(directory.path.count + 1))) }
            try state.removeLogs(of: 7)
            #expect(!FileManager.default.fileExists(atPath: directory.path("logs/7")))
            #expect(FileManager.default.fileExists(atPath: young))
            try state.removeLogs(of: 7)
        }
    }

    @Test("a link that a log directory holds is removed, not followed")
    func link() async throws {
        try await withTemporaryDirectory { directory in
            let kept = try directory.write("precious", to: "kept/file")
            try directory.makeDirectory("logs/7")
            try FileManager.default.createSymbolicLink(atPath: directory.path("logs/7/1-00-fetch.log"), withDestinationPath: "../../kept")
            try StateDirectory(path: directory.path).removeLogs(of: 7)
            #expect(FileManager.default.fileExists(atPath: kept))
        }
    }
}
