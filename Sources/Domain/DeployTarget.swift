/// Which commit of an app somebody asks for by hand.
package struct DeployTarget: Sendable, Equatable {
    package var ref: RefName
    /// nil: what the ref is at.
    package var commit: CommitID?

    /// Why it cannot be deployed.
    package struct Refusal: Error, Equatable {
        /// One sentence that says what to do.
        package let sentence: String
    }

    /// What is meant by the names somebody gave.
    ///
    /// - Parameters:
    ///   - branch: without `refs/heads/`; with neither branch nor tag it is the app's first literal one.
    ///   - commit: 40 or 64 hexadecimal digits.
    ///   - mustMatch: whether what no push of the app could deploy is refused.
    package init(of app: App, branch: String?, tag: String?, commit: String?, mustMatch: Bool = true) throws(Refusal) {
        ref = try Self.ref(of: app, branch: branch, tag: tag)
        if mustMatch, let reason = Self.mismatch(ref, app) { throw Refusal(sentence: reason) }
        guard let commit else { return }
        guard let id = CommitID(commit) else {
            throw Refusal(
                sentence: "\"\(SafeText.shown(commit, limit: 80))\" is not a whole commit; give all 40 or 64 digits (git rev-parse)")
        }
        self.commit = id
    }

    private static func ref(of app: App, branch: String?, tag: String?) throws(Refusal) -> RefName {
        guard branch == nil || tag == nil else { throw Refusal(sentence: "name a branch or a tag, not both") }
        guard let name = branch ?? tag else {
            guard let ref = app.firstBranch else {
                throw Refusal(sentence: "\(app.name) names no branch without wildcards; say which one with --branch, or --tag")
            }
            return ref
        }
        let kind: RefName.Kind = branch == nil ? .tag : .branch
        guard let ref = RefName(kind, name) else {
            throw Refusal(
                sentence: "\"\(SafeText.shown(name, limit: 200))\" is no name git allows for a \(kind == .tag ? "tag" : "branch")")
        }
        return ref
    }

    /// Why no push of it is the app's business.
    private static func mismatch(_ ref: RefName, _ app: App) -> String? {
        let somewhere = CommitID(bytes: [UInt8](repeating: 1, count: 20))
        let failed = Matcher.rules(for: .change(Change(ref: ref, old: nil, new: somewhere)), app: app).first { !$0.passed }
        return failed?.reason.map { "\($0); let it in with `branches` or `tags` in the app's file first" }
    }
}
