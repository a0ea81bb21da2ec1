import Foundation
import Testing

@testable import RealParts

@Suite struct BitternSetupTests {
    @Test("what a configuration leaves out is added, and the two words are filled in")
    func defaults() async throws {
        try await withTemporaryDirectory { directory in
            let setup = try BitternSetup(directory: directory.path)
            try setup.write(configuration: "name: web1\n")
            let added = """
                hooks:
                  listen: 127.0.0.1:\(setup.port)
                control:
                  socket: \(setup.controlSocket)
                state_directory: \(setup.stateDirectory)

                """
            #expect(try directory.read("bittern.yaml") == added + "name: web1\n")
            try setup.write(configuration: "hooks: off\ncontrol: {socket: @DIR@/c}\nstate_directory: s\n")
            #expect(try directory.read("bittern.yaml") == "hooks: off\ncontrol: {socket: \(directory.path)/c}\nstate_directory: s\n")
            try setup.write(app: "shop", "root: @DIR@/srv/shop\n")
            #expect(try directory.read("apps.d/shop.yaml") == "root: \(directory.path)/srv/shop\n")
        }
    }

    @Test("secrets and credentials can be read by their owner alone")
    func modes() async throws {
        try await withTemporaryDirectory { directory in
            let setup = try BitternSetup(directory: directory.path)
            try setup.write(secret: "secrets/hook", "one")
            try setup.write(credential: "acme-hook", "two")
            for name in ["secrets/hook", "credentials/acme-hook"] {
                let attributes = try FileManager.default.attributesOfItem(atPath: directory.path(name))
                #expect(attributes[.posixPermissions] as? Int == 0o600)
            }
        }
    }
}
