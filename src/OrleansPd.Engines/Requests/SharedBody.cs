namespace OrleansPd.Engines.Requests;

/// <summary>
/// A request body in pooled memory. Its creator owns it and disposes of it; the dispatcher may do so earlier, when no attempt can
/// send it again. A leg that may outlive its request takes a <see cref="Hold"/>: the memory returns to the array pool when the
/// owner and all holds have ended.
/// </summary>
public sealed class SharedBody : IDisposable
{
    private readonly int _length;
    private byte[]? _pooled;
    private int _holds = 1;
    private int _isDisposed;

    /// <param name="pooled">Rented from the shared array pool; returned to it at the end.</param>
    /// <param name="length">Length of the body in bytes.</param>
    public SharedBody(byte[] pooled, int length)
    {
        (_pooled, _length) = (pooled, length);
    }

    /// <summary>Empty after the last hold has ended.</summary>
    public ReadOnlyMemory<byte> Memory => _pooled is { } pooled ? pooled.AsMemory(0, _length) : default;

    /// <summary>Copies these bytes into pooled memory.</summary>
    public static SharedBody CopyOf(ReadOnlySpan<byte> bytes)
    {
        var pooled = ArrayPool<byte>.Shared.Rent(bytes.Length);
        bytes.CopyTo(pooled);
        return new SharedBody(pooled, bytes.Length);
    }

    /// <summary>Ends the owner's hold. Further calls do nothing.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) == 0)
            EndHold();
    }

    internal Hold TakeHold()
    {
        Interlocked.Increment(ref _holds);
        return new Hold(this);
    }

    private void EndHold()
    {
        if (Interlocked.Decrement(ref _holds) == 0 && Interlocked.Exchange(ref _pooled, null) is { } pooled)
            ArrayPool<byte>.Shared.Return(pooled);
    }

    internal readonly struct Hold(SharedBody body) : IDisposable
    {
        public void Dispose() => body.EndHold();
    }
}
