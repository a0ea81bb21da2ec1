import Foundation

/// A web app that answers as a file tells it to: the first word of `HEALTH` in the release that is live, 503 where there is none.
package final class SickApp: Sendable {
    package let port: Int
    private let process: RunningProcess

    private static let program = """
        import http.server, os, sys
        root = sys.argv[2]
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                try:
                    with open(root + "/current/HEALTH") as file: status = int(file.read().split()[0])
                except OSError: status = 503
                if self.headers.get("X-Wanted", "yes") != "yes": status = 418
                self.send_response(status)
                if status == 302: self.send_header("Location", "/elsewhere")
                self.end_headers()
                # A body that never ends must not matter to whoever wants the status only.
                try:
                    for _ in range(1000): self.wfile.write(b"x" * 65536)
                except OSError: pass
            def log_message(self, *words): pass
        http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
        """

    private init(port: Int, process: RunningProcess) {
        self.port = port
        self.process = process
    }

    /// Runs it beside `body`.
    /// - Parameter directory: where its log goes.
    package static func serve<Value>(
        root: String, port: Int, in directory: String, _ body: (SickApp) async throws -> Value
    ) async throws -> Value {
        let log = directory + "/sick-app.log"
        let process = try await RunningProcess.start(["python3", "-c", program, "\(port)", root], output: log, error: log)
        return try await withCleanup {
            try await ListeningPort(port).wait(for: process, log: log)
            return try await body(SickApp(port: port, process: process))
        } cleanup: {
            try await process.end()
        }
    }
}
