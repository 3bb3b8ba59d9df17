using System.Buffers;
using System.Runtime.InteropServices;
using Microsoft.AspNetCore.Http;
using OrleansPd.Engines.Requests;
using OrleansPd.Gateway.Transport;

namespace OrleansPd.Gateway.Wire;

/// <summary>Reads a request's body once, as bytes, into pooled memory.</summary>
internal static class BodyReader
{
    private const int FirstSize = 16 * 1024;

    /// <summary>What is shorter is copied as quickly as it is arranged for.</summary>
    private const int WorthAiming = 8 * 1024;

    /// <returns>Null when the body is larger than allowed.</returns>
    public static async ValueTask<SharedBody?> ReadAsync(HttpRequest request, long most, CancellationToken cancellationToken)
    {
        if (request.ContentLength > most)
        {
            return null;
        }
        var reader = request.BodyReader;
        var buffer = ArrayPool<byte>.Shared.Rent((int)(request.ContentLength ?? FirstSize));
        var length = 0;
        IBodyTarget? target = null;
        try
        {
            while (true)
            {
                if (length > 0 && request.ContentLength - length >= WorthAiming && !request.IsHttps)
                {
                    // What has not come yet comes to where it is wanted. With TLS the connection's bytes are not the body's.
                    target ??= request.HttpContext.Features.Get<IBodyTarget>();
                    target?.ReceiveInto(buffer.AsMemory(length, (int)request.ContentLength!.Value - length));
                }
                var read = await reader.ReadAsync(cancellationToken);
                var part = read.Buffer;
                var needed = length + part.Length;
                if (needed > most)
                {
                    reader.AdvanceTo(part.End);
                    return null;
                }
                if (needed > buffer.Length)
                {
                    var larger = ArrayPool<byte>.Shared.Rent(
                        (int)Math.Min(Math.Max(buffer.Length * 2L, needed), Array.MaxLength));
                    buffer.AsSpan(0, length).CopyTo(larger);
                    ArrayPool<byte>.Shared.Return(buffer);
                    buffer = larger;
                }
                if (target is null || !IsInPlace(part, buffer, length))
                {
                    part.CopyTo(buffer.AsSpan(length));
                }
                length = (int)needed;
                reader.AdvanceTo(part.End);
                if (read.IsCompleted)
                {
                    var body = new SharedBody(buffer, length);
                    buffer = null;
                    return body;
                }
            }
        }
        finally
        {
            target?.ReceiveInto(default);
            if (buffer is not null)
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }
        }
    }

    private static bool IsInPlace(in ReadOnlySequence<byte> part, byte[] buffer, int at) =>
        part.IsSingleSegment && MemoryMarshal.TryGetArray(part.First, out var array) && array.Array == buffer
            && array.Offset == at;
}
