-- Lists of what one gateway ran; there are few gateways, so that it grows at as few places.
-- CreateIndex
CREATE INDEX "usage_record_gateway_id_completed_at_id_idx" ON "usage_record"("gateway_id", "completed_at", "id");
