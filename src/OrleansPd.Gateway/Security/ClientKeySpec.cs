using System.Security.Cryptography;

namespace OrleansPd.Gateway.Security;

/// <summary>A named client's key and limits, as configured: <c>name=alice,key=...,rpm=60</c>.</summary>
public sealed record ClientKeySpec
{
    /// <summary>Used in logs and answers. 1-64 letters, digits, dots, dashes and underscores.</summary>
    public required string Name { get; init; }

    /// <summary>SHA-256 of the key; the key itself is not kept.</summary>
    public required ReadOnlyMemory<byte> Hash { get; init; }

    /// <summary>Requests per minute; all of them may come at once. 0 = no limit.</summary>
    public int RequestsPerMinute { get; init; }

    /// <summary>
    /// Prompt tokens plus maximum answer tokens per minute, estimated and charged when a request begins; 0 = no limit.
    /// </summary>
    public int TokensPerMinute { get; init; }

    /// <summary>Concurrent requests; 0 = no limit.</summary>
    public int Concurrency { get; init; }

    /// <summary>Priority in the admission queue, -100 to 100, higher first; default 0.</summary>
    public int Priority { get; init; }

    /// <summary>
    /// Reads <c>name=N,key=K</c> or <c>name=N,sha256=HEX</c>, and optionally <c>rpm</c>, <c>tpm</c>, <c>concurrency</c>,
    /// <c>priority</c>.
    /// </summary>
    /// <exception cref="FormatException">The text is invalid. The message does not contain the key.</exception>
    public static ClientKeySpec Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string? name = null;
        byte[]? hash = null;
        var numbers = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var part in text.Split(',', StringSplitOptions.TrimEntries))
        {
            var at = part.IndexOf('=', StringComparison.Ordinal);
            var (word, value) = at < 0 ? ("", "") : (part[..at], part[(at + 1)..]);
            switch (word)
            {
                case "name" when value.Length is > 0 and <= 64
                    && value.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_'):
                    name = value;
                    break;
                case "key" when value.Length > 0:
                    hash = SHA256.HashData(Encoding.UTF8.GetBytes(value));
                    break;
                case "sha256" when value.Length == 64 && value.All(char.IsAsciiHexDigit):
                    hash = Convert.FromHexString(value);
                    break;
                case "rpm" or "tpm" or "concurrency" when int.TryParse(
                    value, NumberStyles.None, CultureInfo.InvariantCulture, out var number):
                    numbers[word] = number;
                    break;
                case "priority" when int.TryParse(
                    value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var priority)
                    && priority is >= -100 and <= 100:
                    numbers[word] = priority;
                    break;
                default:
                    throw new FormatException(word is "name" or "key" or "sha256" or "rpm" or "tpm" or "concurrency" or "priority"
                        ? $"the value of '{word}' is not one it can have"
                        : "a part is not one of name=, key=, sha256=, rpm=, tpm=, concurrency=, priority=");
            }
        }
        return new ClientKeySpec
        {
            Name = name ?? throw new FormatException("it has no name="),
            Hash = hash ?? throw new FormatException($"'{name}' has neither key= nor sha256="),
            RequestsPerMinute = numbers.GetValueOrDefault("rpm"),
            TokensPerMinute = numbers.GetValueOrDefault("tpm"),
            Concurrency = numbers.GetValueOrDefault("concurrency"),
            Priority = numbers.GetValueOrDefault("priority"),
        };
    }

    /// <summary>For logs: never the key, nor its hash.</summary>
    public override string ToString() => Name;
}
