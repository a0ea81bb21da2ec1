/// One ref moved at the forge.
package struct Change: Sendable, Hashable {
    package let ref: RefName
    /// nil: the ref was created, or the forge did not say.
    package let old: CommitID?
    /// nil: the ref was deleted. A tag of Data Center may name the tag object instead of the commit.
    package let new: CommitID?

    package init(ref: RefName, old: CommitID?, new: CommitID?) {
        self.ref = ref
        self.old = old
        self.new = new
    }
}

/// What a provider read out of a delivery.
package enum ForgeEvent: Sendable, Equatable {
    case push(Push)
    /// A repository has another name from now on. The names are as the forge wrote them; not yet checked.
    case renamed(id: String, from: String, to: String)
    /// Any other event; only its key is of interest.
    case other(key: String)
}

/// The refs one delivery moved in one repository.
package struct Push: Sendable, Equatable {
    /// As the forge wrote it; not yet checked.
    package let repository: String
    /// The forge's own number or UUID of the repository, which stays when it is renamed.
    package let repositoryID: String?
    /// In the order of the delivery; all of them.
    package let refs: [PushedRef]
    /// Whether more refs moved than the delivery names, as Data Center's mirrors say of large pushes.
    package let leavesRefsOut: Bool

    package init(repository: String, repositoryID: String?, refs: [PushedRef], leavesRefsOut: Bool = false) {
        self.leavesRefsOut = leavesRefsOut
        self.repository = repository
        self.repositoryID = repositoryID
        self.refs = refs
    }
}

/// One entry of a delivery's list of changes.
package enum PushedRef: Sendable, Equatable {
    case change(Change)
    /// Something no app can deploy: `ref` as the forge wrote it, and one phrase that says why.
    case unusable(ref: String, reason: String)

    /// The ref as it is shown and stored.
    package var refText: String {
        switch self {
        case .change(let change): change.ref.full
        case .unusable(let ref, _): SafeText.shown(ref)
        }
    }

    /// The commit the ref was moved to.
    package var commit: CommitID? {
        switch self {
        case .change(let change): change.new
        case .unusable: nil
        }
    }

    /// Reads the names a forge sent; everything git would refuse becomes ``unusable(ref:reason:)``.
    package static func reading(_ kind: RefName.Kind, name: String, old: String?, new: String?) -> PushedRef {
        let prefix = kind == .branch ? "refs/heads/" : "refs/tags/"
        guard let ref = RefName(kind, name) else {
            return .unusable(ref: prefix + name, reason: "the ref name breaks git's rules")
        }
        let oldCommit = old.flatMap { CommitID($0) }.flatMap { $0.isZero ? nil : $0 }
        guard let new else { return .change(Change(ref: ref, old: oldCommit, new: nil)) }
        guard let newCommit = CommitID(new) else {
            return .unusable(ref: ref.full, reason: "\"\(SafeText.shown(new, limit: 80))\" is not a commit")
        }
        return .change(Change(ref: ref, old: oldCommit, new: newCommit.isZero ? nil : newCommit))
    }
}
