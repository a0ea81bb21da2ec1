/// Who asks over the control socket, as the kernel and the user database name them.
package struct Requester: Sendable, Equatable {
    /// The user's name; the number where no user has it.
    package var name: String
    /// root and the daemon's own user: they could do everything without asking.
    package var isPrivileged: Bool
    /// The names of all groups the user is in.
    package var groups: Set<String>

    package init(name: String, isPrivileged: Bool, groups: Set<String>) {
        self.name = name
        self.isPrivileged = isPrivileged
        self.groups = groups
    }

    /// Why they may not deploy, roll back, cancel or hold the app; nil: they may. Whoever may open the socket may read.
    package func refusal(for app: App) -> String? {
        guard !isPrivileged, let operators = app.operators, groups.isDisjoint(with: operators) else { return nil }
        let names =
            operators.isEmpty
            ? "there are none" : "they are the group\(operators.count == 1 ? "" : "s") " + operators.joined(separator: ", ")
        return "\(name) is none of the operators of \(app.name) (\(names)); ask one of them, or become a member"
    }
}
