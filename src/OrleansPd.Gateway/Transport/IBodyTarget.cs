namespace OrleansPd.Gateway.Transport;

/// <summary>Receives a long body directly into the caller's memory, so that it need not be copied from blocks.</summary>
internal interface IBodyTarget
{
    /// <summary>
    /// The next bytes of the connection are received into this memory, and the next read returns them from its start. The memory
    /// must belong to an array, and must not be used otherwise until those bytes were read or the connection has ended. Empty =
    /// none.
    /// </summary>
    void ReceiveInto(Memory<byte> rest);
}
