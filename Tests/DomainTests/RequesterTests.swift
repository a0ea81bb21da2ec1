import Testing

@testable import Domain

/// Who may act on an app.
@Suite struct RequesterTests {
    @Test("an app without operators is everybody's who may open the socket")
    func noList() throws {
        #expect(try refusal(of: ["staff"], operators: nil) == nil)
        #expect(try refusal(of: [], operators: nil) == nil)
    }

    @Test("a member of one of the groups is an operator, whatever else they are")
    func member() throws {
        #expect(try refusal(of: ["staff", "deployers"], operators: ["deployers"]) == nil)
        #expect(try refusal(of: ["deployers"], operators: ["admins", "deployers"]) == nil)
    }

    @Test("whoever is in none of the groups is told which they are")
    func stranger() throws {
        #expect(
            try refusal(of: ["staff"], operators: ["deployers"])
                == "ada is none of the operators of shop (they are the group deployers); ask one of them, or become a member")
        #expect(try refusal(of: ["staff"], operators: ["admins", "deployers"])?.contains("they are the groups admins, deployers") == true)
        #expect(try refusal(of: [], operators: ["deployers"]) != nil)
        #expect(try refusal(of: ["Deployers", "deployer", "deployers2"], operators: ["deployers"]) != nil)
    }

    @Test("an empty list is nobody's")
    func emptyList() throws {
        #expect(try refusal(of: ["staff"], operators: [])?.contains("(there are none)") == true)
    }

    @Test("root and the daemon's own user may do everything", arguments: [nil, [], ["deployers"]])
    func privileged(operators: [String]?) throws {
        #expect(try refusal(of: [], isPrivileged: true, operators: operators) == nil)
    }

    private func refusal(of groups: Set<String>, isPrivileged: Bool = false, operators: [String]?) throws -> String? {
        var app = try app()
        app.operators = operators
        return Requester(name: "ada", isPrivileged: isPrivileged, groups: groups).refusal(for: app)
    }
}
