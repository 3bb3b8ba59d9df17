using System.Buffers;

namespace OrleansPd.Engines.Requests;

/// <summary>
/// A client's body, shared by both legs of all its attempts. The prefill leg can outlive the request, so the memory goes back
/// to the pool when the last holder lets go.
/// </summary>
public sealed class SharedBody : IDisposable
{
    private readonly int _length;
    private byte[]? _pooled;
    private int _holders = 1;
    private int _isLetGo;

    /// <param name="pooled">Rented from the shared pool; returned there in the end.</param>
    /// <param name="length">Bytes of it that are the body.</param>
    public SharedBody(byte[] pooled, int length)
    {
        (_pooled, _length) = (pooled, length);
    }

    /// <summary>Empty when nobody holds it any more.</summary>
    public ReadOnlyMemory<byte> Memory => _pooled is { } pooled ? pooled.AsMemory(0, _length) : default;

    /// <summary>A body made of a copy of these bytes.</summary>
    public static SharedBody CopyOf(ReadOnlySpan<byte> bytes)
    {
        var pooled = ArrayPool<byte>.Shared.Rent(bytes.Length);
        bytes.CopyTo(pooled);
        return new SharedBody(pooled, bytes.Length);
    }

    public SharedBody Hold()
    {
        Interlocked.Increment(ref _holders);
        return this;
    }

    /// <summary>Ends the owner's own hold, before or when its owner does; the second time it does nothing.</summary>
    public void Release()
    {
        if (Interlocked.Exchange(ref _isLetGo, 1) == 0)
        {
            Dispose();
        }
    }

    public void Dispose()
    {
        if (Interlocked.Decrement(ref _holders) == 0 && Interlocked.Exchange(ref _pooled, null) is { } pooled)
        {
            ArrayPool<byte>.Shared.Return(pooled);
        }
    }
}
