using System.Globalization;

namespace OrleansPd.Engines.Attempts;

/// <summary>
/// Mints request ids of one width, so that none is a prefix of another: engines abort every request whose id <em>begins</em>
/// with the one they are given (protocol §1.7).
/// </summary>
/// <param name="instance">Tells this process from others that use the same engines, and from its own former lives.</param>
public sealed class RidSource(uint instance)
{
    /// <summary>Characters of every id: <c>pd</c>, 8 hex digits of the instance, 12 of a counter.</summary>
    public const int Width = 22;

    private readonly string _prefix = string.Create(CultureInfo.InvariantCulture, $"pd{instance:x8}");
    private long _counter;

    /// <summary>Begins every id of this source and no other's.</summary>
    public string Prefix => _prefix;

    public string Next() => string.Create(CultureInfo.InvariantCulture, $"{_prefix}{Interlocked.Increment(ref _counter):x12}");
}
