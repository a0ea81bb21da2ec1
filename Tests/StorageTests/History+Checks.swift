import Domain
import GRDB

@testable import Storage

/// What must be true.
extension History {
    func checkBackwards(_ app: Int, _ served: Int) throws {
        let moves = forge.branches[apps[app]].moves
        guard let before = live[app], let old = moves[before], let new = moves[served], forge.ancestors[old].contains(new) else { return }
        try check(before < served, "app \(app) went back from \(old) to \(new)")
        try check(forge.wasForced(apps[app], from: before, to: served), "app \(app) went back from \(old) to \(new), which nobody forced")
    }

    /// The ledger says what the model says.
    func checkLedger() throws {
        let names = apps.indices.map { "'\(name(ofApp: $0))'" }.joined(separator: ", ")
        let lines = try house.values(
            """
            SELECT jobs.id || ' ' || jobs.state || ' ' || attempt || ' ' || coalesce(superseded_by, '-') || ' '
                || iif(releases.state = 'live', 'live', '-')
            FROM jobs LEFT JOIN releases ON releases.job = jobs.id
            WHERE jobs.app IN (\(names)) ORDER BY jobs.id
            """, as: String.self)
        let wanted = queue.lines
        try check(lines == wanted, "the ledger has \(lines.filter { !wanted.contains($0) }), not \(wanted.filter { !lines.contains($0) })")
    }

    func checkEnd() throws {
        try check(queue.jobs(.queued, .running).isEmpty, "jobs \(queue.jobs(.queued, .running)) did not end")
        for (app, branch) in apps.enumerated() {
            guard let head = forge.branches[branch].head else { continue }
            let isWaived = waived.contains(app)
            seen.add(isWaived ? .headWaived : .headChecked)
            if !isWaived { try checkHead(head, of: app) }
        }
    }

    private func checkHead(_ head: Int, of app: Int) throws {
        let name = name(ofApp: app)
        let hex = try ModelForge.name(of: head).hex
        let last = try house.value(
            """
            SELECT lower(hex(commit_id)) || CASE WHEN state IN ('succeeded', 'superseded') THEN ' good' ELSE ' bad' END FROM jobs
            WHERE app = '\(name)' AND came_to_verdict = 1
            ORDER BY finished_at DESC, id DESC LIMIT 1
            """, as: String.self)
        try check(last == hex + " good" || last == hex + " bad", "app \(app): the last verdict is \(last ?? "none"), not on \(head)")
        let live = try house.value(
            "SELECT lower(hex(commit_id)) FROM releases WHERE app = '\(name)' AND state = 'live'", as: String.self)
        if last == hex + " good" { try check(live == hex, "app \(app): \(live ?? "nothing") is live, not \(head)") }
    }
}
