import Domain
import FoundationEssentials
import GRDB

extension CommitID {
    /// As it stands in the ledger.
    var blob: Data { Data(bytes) }
}

extension Row {
    func commit(_ column: String) -> CommitID? {
        (self[column] as Data?).flatMap { CommitID(bytes: $0) }
    }

    func time(_ column: String) -> Timestamp? {
        (self[column] as Int64?).map(Timestamp.init(milliseconds:))
    }

    /// A column the schema promises to hold one of the enumeration's values.
    func value<Value: RawRepresentable>(_ column: String, as type: Value.Type) throws -> Value where Value.RawValue == String {
        let text = self[column] as String? ?? "NULL"
        guard let value = Value(rawValue: text) else { throw LedgerError(.corrupt, "the ledger holds \"\(text)\" as \(column)") }
        return value
    }

    func required<Value>(_ value: Value?, _ column: String) throws -> Value {
        guard let value else { throw LedgerError(.corrupt, "the ledger holds an unusable \(column)") }
        return value
    }
}

extension Job {
    /// Columns every query for jobs selects.
    static let columns = "jobs.*"

    /// Without its steps.
    init(row: Row) throws {
        self.init(
            id: row["id"], app: row["app"], repository: row["repository"],
            ref: (row["ref"] as String?).flatMap { RefName(full: $0) },
            commit: try row.required(row.commit("commit_id"), "commit_id"),
            cause: try row.value("cause", as: Cause.self), by: row["requested_by"],
            state: try row.value("state", as: State.self), reason: row["reason"], attempt: row["attempt"],
            queuedAt: try row.required(row.time("queued_at"), "queued_at"), startedAt: row.time("started_at"),
            finishedAt: row.time("finished_at"), supersededBy: row["superseded_by"], release: row["release"],
            delivery: row["delivery"], configurationHash: (row["configuration_hash"] as Data?).map { [UInt8]($0) },
            tree: row.commit("tree_id"), subject: row["subject"])
    }
}

extension StepRecord {
    init(row: Row) throws {
        self.init(
            start: row["start"], position: row["position"], name: row["name"], state: try row.value("state", as: State.self),
            exitStatus: row["exit_status"], signal: row["signal"],
            startedAt: try row.required(row.time("started_at"), "started_at"), finishedAt: row.time("finished_at"),
            usage: StepUsage(processorTime: (row["cpu_ms"] as Int64?).map { .milliseconds($0) }, memory: row["memory_peak"]))
    }
}

extension Release {
    init(row: Row) throws {
        self.init(
            app: row["app"], id: row["job"], commit: try row.required(row.commit("commit_id"), "commit_id"), path: row["path"],
            state: try row.value("state", as: State.self), failedAt: row.time("failed_at"), activatedAt: row.time("activated_at"),
            createdAt: try row.required(row.time("created_at"), "created_at"))
    }
}
