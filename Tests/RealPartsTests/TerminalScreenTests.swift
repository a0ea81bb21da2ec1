import Foundation
import RealParts
import Testing

@Suite struct TerminalScreenTests {
    @Test("a command gives its status and what it wrote, also what has left the window")
    func commands() async throws {
        try await TerminalScreen.open(size: .init(columns: 40, rows: 10)) { terminal in
            #expect(try await terminal.run("true").text == "")
            #expect(try await terminal.run("(exit 7)").status == 7)
            let many = try await terminal.run("seq 30; printf '%060d\\n' 1; false")
            let lines = many.text.split(separator: "\n").map(String.init)
            #expect(lines == (1...30).map { "\($0)" } + [String(repeating: "0", count: 59) + "1"])
            #expect(many.status == 1)
            #expect(try await terminal.screen.split(separator: "\n").count == 10)
        }
    }

    @Test("a program in it has a terminal of the size, may be interrupted, and sees nothing of the environment of the tests")
    func terminal() async throws {
        try await TerminalScreen.open(environment: ["A": "1"]) { terminal in
            #expect(try await terminal.run("stty size; test -t 1 && echo $A$USER").text == "30 100\n1")
            let number = try await terminal.begin("echo up; read line")
            try await terminal.waitFor("\nup")
            try await terminal.press(.ctrlC)
            #expect(try await terminal.answer(number).status == 130)
            try await terminal.resize(to: .init(columns: 60, rows: 8))
            #expect(try await terminal.run("stty size").text == "8 60")
        }
    }

    @Test("colours are seen where they are asked for, and the cursor where it is shown")
    func styles() async throws {
        try await TerminalScreen.open { terminal in
            let answer = try await terminal.run(#"printf '\033[31mred\033[0m\n'"#)
            #expect(answer.text == "red")
            #expect(try await terminal.screenWithStyles.contains("\u{1B}[31m"))
            _ = try await terminal.run(#"printf '\033[?25l'"#)
            #expect(try await !terminal.showsCursor)
        }
    }

    @Test("nothing of it is left at its end, also where a program does not listen")
    func end() async throws {
        let mark = UUID().uuidString
        try await TerminalScreen.open(environment: ["MARK": mark]) { terminal in
            _ = try await terminal.begin("trap '' HUP TERM; echo u''p; while :; do sleep 0.01; done")
            try await terminal.waitFor("\nup")
            #expect(try !ProcessTable.processes(withEnvironmentContaining: mark).isEmpty)
        }
        #expect(try ProcessTable.processes(withEnvironmentContaining: mark).isEmpty)
    }

    @Test("what never comes is told with the screen as it was")
    func never() async throws {
        try await TerminalScreen.open { terminal in
            _ = try await terminal.run("echo something else")
            let shown = await #expect(throws: NotShown.self) {
                try await terminal.waitFor("the moon", within: .milliseconds(200)) { _ in false }
            }
            #expect(shown?.screen.contains("something else") == true)
        }
    }
}
