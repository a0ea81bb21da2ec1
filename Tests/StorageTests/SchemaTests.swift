import Domain
import GRDB
import RealParts
import Testing

@testable import Storage

@Suite struct SchemaTests {
    @Test("the database itself refuses a row that breaks a rule", arguments: Breach.all)
    func refusal(breach: Breach) async throws {
        try await withLedger { house in
            try house.execute(Breach.goodRows)
            let error = try #require(throws: DatabaseError.self) { try house.execute(breach.sql) }
            #expect(error.resultCode == .SQLITE_CONSTRAINT)
            #expect(error.message == breach.message)
        }
    }

    @Test("every rule of the schema is among those that are broken on trial")
    func coverage() async throws {
        try await withLedger { house in
            let tried = Set(Breach.all.map { "\($0.table): \($0.rule)" })
            var there: Set<String> = []
            for table in try house.values(Self.tables, as: String.self) {
                let sql = try #require(try house.value("SELECT sql FROM sqlite_schema WHERE name = '\(table)'", as: String.self))
                there.formUnion(Self.checks(in: sql).map { "\(table): \(Breach.Rule.check($0))" })
                let unique = "SELECT (SELECT group_concat(name, ', ') FROM pragma_index_info(list.name))"
                there.formUnion(
                    try house.values("\(unique) FROM pragma_index_list('\(table)') AS list WHERE \"unique\"", as: String.self)
                        .map { "\(table): \(Breach.Rule.unique($0))" })
                there.formUnion(
                    try house.values("SELECT \"from\" FROM pragma_foreign_key_list('\(table)')", as: String.self)
                        .map { "\(table): \(Breach.Rule.reference($0))" })
            }
            #expect(there.subtracting(tried) == [], "not tried")
            #expect(tried.subtracting(there) == [], "not in the schema")
            #expect(there.count > 50)
        }
    }

    @Test("no column that must have a value takes NULL")
    func notNull() async throws {
        try await withLedger { house in
            try house.execute(Breach.goodRows)
            var tried = 0
            for table in try house.values(Self.tables, as: String.self) {
                for column in try house.values("SELECT name FROM pragma_table_info('\(table)') WHERE \"notnull\"", as: String.self) {
                    let error = try #require(throws: DatabaseError.self, "\(table).\(column)") {
                        try house.execute("UPDATE \(table) SET \(column) = NULL")
                    }
                    #expect(error.message == "NOT NULL constraint failed: \(table).\(column)")
                    tried += 1
                }
            }
            #expect(tried > 30)
        }
    }

    @Test("no column takes a value of another type")
    func strict() async throws {
        try await withLedger { house in
            let loose = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND NOT strict"
            let tables = try house.values("\(loose) AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'grdb_%'", as: String.self)
            #expect(tables == [])
        }
    }

    @Test(
        "a migration is as it was released: a change to the schema is one of its own",
        arguments: [
            "1": "34fc2128482507208f6638db80bb26d5a1dc828d2249d589f333c58add98c1d2",
            "2": "7305ccfbae2a7a42adf9659184981a704671067365ec671c6ca54fc8424ad25b",
            "3": "54289e49b08df8d10799dd18bf36483bdb943f6a7ab64b72f6a508cd171777f1",
            "4": "7533bd10bdf50f96d82c036152dd5bac5def39166724af47e084aaf834efdabe",
            "5": "b3f5357a086617c27e5f026f0257499c5ce8776456cf34fe2d4b9145d4cfce6c",
            "6": "f246395811f13f31f84b80f0bacfa3ff1b579aaa98ee6f430e9befcef2da0c69",
            "7": "4fe0cce81b89bbe60c447b31714a906deec02082f846bd64518eb5c57468aa16",
            "8": "c4e3eff0b24669259f674911b403ee6730d15124c2fb1cd1c15f7380314df2f9",
        ])
    func released(version: String, hash: String) throws {
        let database = try DatabaseQueue()
        try Schema.migrator.migrate(database, upTo: version)
        let sql = try database.read {
            try String.fetchAll(
                $0, sql: "SELECT sql FROM sqlite_schema WHERE name NOT LIKE 'grdb_%' AND sql IS NOT NULL ORDER BY rowid")
        }
        #expect(Hexadecimal.text(of: Signature.hash(of: Array(sql.joined(separator: ";\n").utf8))) == hash)
    }

    @Test("the last migration is among those")
    func newest() {
        #expect(Schema.migrator.migrations == ["1", "2", "3", "4", "5", "6", "7", "8"])
    }

    private static let tables =
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'grdb_%'"

    /// The CHECKs of a CREATE TABLE statement: the name of each, or its expression where it has none.
    private static func checks(in sql: String) -> [String] {
        var found: [String] = []
        var rest = sql[...]
        while let check = rest.firstRange(of: "CHECK (") {
            let before = rest[..<check.lowerBound].split(whereSeparator: \.isWhitespace).suffix(2)
            var depth = 1
            let body = rest[check.upperBound...].prefix { character in
                depth += character == "(" ? 1 : character == ")" ? -1 : 0
                return depth > 0
            }
            found.append(before.first == "CONSTRAINT" ? String(before.last ?? "") : String(body))
            rest = rest[body.endIndex...]
        }
        return found
    }
}
