/** Ids that are well formed and belong to no row. */
export const missingTenant = 'tnt_01h455vb4pex5vsknk084sn02q';
export const missingGroup = 'fsg_01h455vb4pex5vsknk084sn02q';
export const missingTeam = 'team_01h455vb4pex5vsknk084sn02q';
export const missingUser = 'usr_01h455vb4pex5vsknk084sn02q';
export const missingApp = 'app_01h455vb4pex5vsknk084sn02q';
export const missingProduct = 'prd_01h455vb4pex5vsknk084sn02q';
export const missingEngine = 'eng_01h455vb4pex5vsknk084sn02q';
export const missingKey = 'key_01h455vb4pex5vsknk084sn02q';
export const missingModel = 'mdl_01h455vb4pex5vsknk084sn02q';
export const missingGateway = 'gtw_01h455vb4pex5vsknk084sn02q';
export const missingLease = 'lse_01h455vb4pex5vsknk084sn02q';
export const missingSecret = 'sec_01h455vb4pex5vsknk084sn02q';

/** The group `default`, which the first migration makes. */
export const defaultGroup = 'fsg_01j0000000e008000000000001';
