import Exec
import Foundation
import RealParts
import Testing

/// A line to a Unix socket, and the line that comes back.
@Suite struct LineCallTests {
    /// Answers each connection with what it was sent, and writes to the file that came along; `hang` is answered by nobody.
    private static let server = """
        import os, socket, sys, threading
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(sys.argv[1])
        listener.listen()
        print("listening", flush=True)
        def serve(connection):
            line, files, _, _ = socket.recv_fds(connection, 4096, 4)
            if line == b"hang\\n":
                print("hanging", flush=True)
                connection.recv(1)
                print("hung up", flush=True)
                return
            for file in files: os.write(file, b"was here\\n")
            if line == b"end\\n": connection.close()
            elif line == b"much\\n": connection.sendall(b"x" * 5000)
            else: connection.sendall(b"you said: " + line)
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=serve, args=(connection,), daemon=True).start()
        """

    private func withServer(_ body: (LineCall, TemporaryDirectory) async throws -> Void) async throws {
        try await withTemporaryDirectory { directory in
            let output = directory.path("output")
            let server = try await RunningProcess.start(
                ["python3", "-c", Self.server, directory.path("socket")], output: output, error: output)
            try await withCleanup {
                try await eventually("the server") { try directory.read("output").contains("listening") }
                try await body(LineCall(path: directory.path("socket"), longestAnswer: 1000), directory)
            } cleanup: {
                try await server.end()
            }
        }
    }

    @Test("the line comes back, and the file goes along")
    func answered() async throws {
        try await withServer { call, directory in
            try directory.write("", to: "log")
            let file = try FileHandle(forWritingTo: URL(filePath: directory.path("log")))
            let answer = try await call.ask(Array("hello\n".utf8), passing: file.fileDescriptor)
            #expect(String(decoding: answer, as: UTF8.self) == "you said: hello\n")
            #expect(try directory.read("log") == "was here\n")
        }
    }

    @Test("who hangs up, answers too much or is not there is told of in a sentence")
    func troubles() async throws {
        try await withServer { call, directory in
            for (line, words) in [("end\n", "hung up"), ("much\n", "too long a line")] {
                let error = await #expect(throws: ExecError.self) { try await call.ask(Array(line.utf8)) }
                #expect(error?.phrase.contains(words) == true, "\(String(describing: error))")
            }
            let nobody = LineCall(path: directory.path("nobody"), longestAnswer: 1000)
            let error = await #expect(throws: ExecError.self) { try await nobody.ask(Array("x\n".utf8)) }
            #expect(error?.phrase.contains("cannot connect to") == true)
        }
    }

    @Test("a call that is cancelled hangs up")
    func cancelled() async throws {
        try await withServer { call, directory in
            let waiting = Task { try await call.ask(Array("hang\n".utf8)) }
            try await eventually("the server to be asked") { try directory.read("output").contains("hanging") }
            waiting.cancel()
            await #expect(throws: CancellationError.self) { try await waiting.value }
            try await eventually("the server to be left") { try directory.read("output").contains("hung up") }
        }
    }

    @Test("a call has as much patience as it is given")
    func patience() async throws {
        try await withServer { call, _ in
            let error = await #expect(throws: ExecError.self) { try await call.ask(Array("hang\n".utf8), patience: .seconds(1)) }
            #expect(error?.phrase.contains("cannot read what") == true)
        }
    }
}
