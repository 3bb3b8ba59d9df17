using System.Text.Json.Nodes;

namespace OrleansPd.Gateway.Wire;

/// <summary>
/// Engines tell all their arguments, keys in clear text included (protocol §1.6); none of that leaves the gateway.
/// </summary>
internal static class Secrets
{
    private static readonly string[] Words =
        ["api_key", "apikey", "token_secret", "auth_token", "password", "secret", "credential"];

    /// <summary>Takes every member out whose name is a secret's, at any depth.</summary>
    public static void Remove(JsonNode? node)
    {
        switch (node)
        {
            case JsonObject members:
                foreach (var name in members.Where(m => IsSecret(m.Key)).Select(m => m.Key).ToArray())
                {
                    members.Remove(name);
                }
                foreach (var member in members)
                {
                    Remove(member.Value);
                }
                break;
            case JsonArray items:
                foreach (var item in items)
                {
                    Remove(item);
                }
                break;
        }
    }

    private static bool IsSecret(string name) => Words.Any(word => name.Contains(word, StringComparison.OrdinalIgnoreCase));
}
