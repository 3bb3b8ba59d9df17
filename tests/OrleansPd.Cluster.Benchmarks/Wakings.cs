using System.Collections.Concurrent;

namespace OrleansPd.Cluster.Benchmarks;

/// <summary>Who was woken in this process.</summary>
internal sealed class Wakings
{
    private readonly ConcurrentDictionary<long, byte> _woken = new();
    private long _ticks;

    public long Ticks => Interlocked.Read(ref _ticks);

    /// <summary>Different ones since the last <see cref="Clear"/>.</summary>
    public int Count => _woken.Count;

    public void Woken(long key)
    {
        Interlocked.Increment(ref _ticks);
        _woken[key] = 0;
    }

    public void Clear() => _woken.Clear();
}
