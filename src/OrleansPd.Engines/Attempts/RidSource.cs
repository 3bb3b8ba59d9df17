namespace OrleansPd.Engines.Attempts;

/// <summary>
/// Mints request ids of equal length, so that none is a prefix of another: engines abort every request whose id <em>begins</em>
/// with the given one.
/// </summary>
/// <param name="instance">Differs between processes that use the same engines, and between restarts of one.</param>
public sealed class RidSource(uint instance)
{
    /// <summary>Length of every id: <c>pd</c>, 8 hex digits of the instance, 12 of a counter.</summary>
    public const int Width = 22;

    private long _counter;

    /// <summary>The first characters of every id of this source, and of no id of another.</summary>
    public string Prefix { get; } = string.Create(CultureInfo.InvariantCulture, $"pd{instance:x8}");

    public string Next() => string.Create(CultureInfo.InvariantCulture, $"{Prefix}{Interlocked.Increment(ref _counter):x12}");

    internal bool IsOurs(string rid) => rid.StartsWith(Prefix, StringComparison.Ordinal);
}
