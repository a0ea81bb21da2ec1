import Foundation

/// What `bittern --experimental-dump-help` prints, as far as the manual tells of it. The form is ArgumentParser's:
/// https://github.com/apple/swift-argument-parser/blob/main/Sources/ArgumentParserToolInfo/ToolInfo.swift
struct Help: Decodable {
    struct Command: Decodable {
        let commandName: String
        /// From the program's name down.
        let superCommands: [String]?
        let abstract: String?
        let discussion: String?
        let shouldDisplay: Bool
        let arguments: [Argument]?
        let subcommands: [Command]?
    }

    struct Argument: Decodable, Hashable {
        enum Kind: String, Decodable {
            case positional, option, flag
        }

        struct Name: Decodable, Hashable {
            enum Kind: String, Decodable {
                case long, short, longWithSingleDash
            }

            let kind: Kind
            let name: String
        }

        let kind: Kind
        let names: [Name]?
        let preferredName: Name?
        let valueName: String?
        let abstract: String?
        let discussion: String?
        let defaultValue: String?
        let allValues: [String]?
        let isOptional: Bool
        let isRepeating: Bool
        let shouldDisplay: Bool
    }

    let serializationVersion: Int
    let command: Command

    /// - Throws: ``ManualError`` when that is not what was printed, or in a form that came after this program.
    init(json: Data) throws {
        do {
            self = try JSONDecoder().decode(Self.self, from: json)
        } catch {
            throw ManualError("standard input is not what bittern --experimental-dump-help prints: \(error)")
        }
        guard serializationVersion == 0 else {
            throw ManualError("the help has form \(serializationVersion), and only form 0 is known; see what changed in ArgumentParser")
        }
    }
}

extension Help.Command {
    /// As it is typed after the program's name: `cache clear`.
    var words: [String] { (superCommands ?? []).dropFirst() + [commandName] }

    var shownArguments: [Help.Argument] { (arguments ?? []).filter(\.shouldDisplay) }

    /// Those that people are told of, each before its own.
    var shownDescendants: [Help.Command] {
        (subcommands ?? []).filter(\.shouldDisplay).flatMap { [$0] + $0.shownDescendants }
    }

    /// Whether it does nothing by itself.
    var isOnlyAGroup: Bool { !(subcommands ?? []).isEmpty }
}
