using System.Text.Json.Nodes;

namespace OrleansPd.Gateway.Wire;

/// <summary>Engines report all their arguments, including keys in clear text. These keys must not leave the gateway.</summary>
internal static class Secrets
{
    private static readonly string[] Words =
        ["api_key", "apikey", "token_secret", "auth_token", "password", "secret", "credential"];

    /// <summary>Removes, at any depth, every member whose name suggests a secret.</summary>
    public static void Remove(JsonNode? node)
    {
        switch (node)
        {
            case JsonObject members:
                foreach (var name in members.Where(m => IsSecret(m.Key)).Select(m => m.Key).ToArray())
                    members.Remove(name);
                foreach (var member in members)
                    Remove(member.Value);
                break;
            case JsonArray items:
                foreach (var item in items)
                    Remove(item);
                break;
        }
    }

    private static bool IsSecret(string name) => Words.Any(word => name.Contains(word, StringComparison.OrdinalIgnoreCase));
}
