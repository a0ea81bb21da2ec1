import Testing

@testable import Domain

struct ConfigurationHashTests {
    @Test("the same configuration has the same hash, in whatever order it was written; another has another")
    func same() throws {
        let one = try app(environment: ["A": "1", "B": "2", "C": "3"], build: [step("x")])
        for _ in 0..<20 {
            let again = try app(environment: ["C": "3", "A": "1", "B": "2"], build: [step("x")])
            #expect(one.configurationHash == again.configurationHash)
        }
        let others = [
            try app(environment: ["A": "1", "B": "2", "C": "4"], build: [step("x")]),
            try app(environment: ["A": "1", "B": "2"], build: [step("x")]),
            try app(environment: ["A": "1", "B": "2", "C": "3"], build: [step("y")]),
            try app(environment: ["A": "1", "B": "2", "C": "3"], secrets: ["T": Secret("a")], build: [step("x")]),
        ]
        #expect(Set(([one] + others).map(\.configurationHash)).count == 5)
    }

    @Test("the value of a secret is no part of it, so that nothing can be learned from it")
    func secrets() throws {
        #expect(
            try app(secrets: ["T": Secret("a")]).configurationHash == app(secrets: ["T": Secret("b")]).configurationHash)
    }

    private func step(_ name: String) -> CommandStep { CommandStep(name: name, run: "true") }
}
